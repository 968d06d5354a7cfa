"""Every data format, read and refused."""

import struct
import wave
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeq.data import DatasetOptions, InputSpec, Normalization, open_dataset
from edgeq.errors import EdgeqError, UsageError

PAIR = [InputSpec("in", (2, 3))]


def both_passes(data):
    """The samples of a first and a second pass, which must be equal."""
    first, second = list(data), list(data)
    for one, two in zip(first, second, strict=True):
        for a, b in zip(one.inputs, two.inputs, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.label, two.label)
    return first


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_rows_and_labels(tmp_path, save, order):
    x = np.asarray(np.arange(24.0).reshape(4, 2, 3), order=order)
    save(tmp_path / "d.npz", specs=x, labels=[0, 1, 1.0, 2])
    data = open_dataset(f"{tmp_path}/d.npz:specs,labels", PAIR, labelled=True)
    assert data.count == 4
    samples = both_passes(data)
    np.testing.assert_array_equal([s.inputs[0] for s in samples], x.astype(np.float32))
    assert [s.label for s in samples] == [0, 1, 1, 2]
    assert samples[0].inputs[0].dtype == np.float32


def test_npz_usual_names_and_several_inputs(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.zeros((5, 1, 2, 3)), y=np.arange(5))
    assert [s.label for s in open_dataset(tmp_path / "one.npz", PAIR, labelled=True)] == [*range(5)]
    two = [InputSpec("a", (2,)), InputSpec("b", (3,))]
    np.savez(tmp_path / "two.npz", **{"0": np.zeros((5, 2)), "1": np.ones((5, 3))})
    np.savez(tmp_path / "named.npz", a=np.zeros((5, 2)), b=np.ones((5, 3)))
    for name in ("two", "named"):
        (sample, *_) = both_passes(open_dataset(tmp_path / f"{name}.npz", two))
        assert [a.tolist() for a in sample.inputs] == [[0, 0], [1, 1, 1]]


def test_limit_is_spread_over_the_whole_set(tmp_path):
    np.save(tmp_path / "d.npy", np.arange(100.0).reshape(100, 1))
    data = open_dataset(tmp_path / "d.npy", [InputSpec("in", (1,))], limit=4)
    assert [s.inputs[0][0] for s in data] == [0, 25, 50, 75]
    assert data.count == 4


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed", "columns first", "memory"])
@pytest.mark.parametrize("labels", ["numbers", "names"])
def test_of_many_samples_only_those_of_the_limit_are_made(tmp_path, monkeypatch, kind, labels):
    x = np.asarray(np.arange(6000.0).reshape(1000, 2, 3), order="F" if kind[:2] == "co" else "C")
    y = np.arange(1000) % 3
    y = np.array(["a", "b", "c"])[y] if labels == "names" else y
    np.save(tmp_path / "d.npy", x)
    np.save(tmp_path / "l.npy", y)
    (np.savez_compressed if kind == "compressed" else np.savez)(tmp_path / "d.npz", x=x, y=y)
    source = {"npy": f"{tmp_path}/d.npy,{tmp_path}/l.npy", "memory": (x, y)}.get(
        kind, tmp_path / "d.npz"
    )
    data = open_dataset(source, PAIR, labelled=True, limit=7)
    places = []
    some = data.source.some
    watched = replace(data.source, rows=None, some=lambda at: some(places.extend(at) or at))
    samples = both_passes(replace(data, source=watched))
    chosen = [142, 285, 428, 571, 714, 857]
    assert places == [0, *chosen] * 2
    assert [s.inputs[0][0, 0] for s in samples] == [6 * place for place in (0, *chosen)]
    assert [s.label for s in samples] == [place % 3 for place in (0, *chosen)]


def test_a_limit_hides_no_damage_of_an_archive(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=np.ones((1000, 2, 3)), y=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[30_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(EdgeqError, match="CRC"):
        list(open_dataset(path, PAIR, labelled=True, limit=2))


def test_of_a_folder_only_the_files_of_the_limit_are_read(tmp_path):
    for number in range(10):
        with wave.open(f"{tmp_path}/{number}.wav", "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.full(20, number * 1000, "<i2").tobytes())
        Image.new("L", (3, 2), number).save(tmp_path / f"{number}.png")
    for suffix, spec in ((".wav", InputSpec("in", (20,), rate_hz=8000)), (".png", PAIR[0])):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        for file in tmp_path.glob(f"*{suffix}"):
            file.rename(folder / file.name)
        data = open_dataset(folder, [spec], limit=2)
        for number in (1, 3, 9):
            (folder / f"{number}{suffix}").write_bytes(b"changed since")
        first, second = (s.inputs[0].flat[0] for s in data)
        assert first == 0 and second == {".wav": np.float32(5000 / 32768), ".png": 5}[suffix]


def test_arrays_and_functions_in_memory():
    x = np.ones((3, 2, 3))
    assert len(list(open_dataset(x, PAIR))) == 3
    assert [s.label for s in open_dataset((x, [3, 4, 5]), PAIR, labelled=True)] == [3, 4, 5]
    assert len(list(open_dataset(lambda: iter(x), PAIR))) == 3
    two = [InputSpec("a", (2,)), InputSpec("b:0", (3,))]
    named = {"b": np.ones((5, 3)), "a": np.zeros((5, 2))}
    (sample, *_) = open_dataset(named, two)
    assert [a.tolist() for a in sample.inputs] == [[0, 0], [1, 1, 1]]
    with pytest.raises(EdgeqError, match='no array "a"; there is x'):
        open_dataset({"x": named["a"]}, two)
    with pytest.raises(EdgeqError, match="no axis of samples"):
        open_dataset(np.float32(3), PAIR)
    for labels in (np.int64(3), (label for label in (3, 4, 5))):
        with pytest.raises(EdgeqError, match="labels have no axis of samples"):
            open_dataset((x, labels), PAIR, labelled=True)
    with pytest.raises(EdgeqError, match="no samples of one shape"):
        open_dataset(((named["a"], named["b"]), [0] * 5), two)


def test_labels_of_a_table_are_found_by_place_and_not_by_the_row_s_name():
    pandas = pytest.importorskip("pandas")
    order = np.array([2, 0, 1])
    x, y = pandas.DataFrame(np.arange(6.0).reshape(3, 2)), pandas.Series([7, 8, 9])
    pair = [InputSpec("x", (2,))]
    found = list(open_dataset((x.loc[order], y.loc[order]), pair, labelled=True))
    assert [(s.inputs[0].tolist(), s.label) for s in found] == [
        ([4, 5], 9), ([0, 1], 7), ([2, 3], 8),
    ]  # fmt: skip
    held_out = list(open_dataset((x.loc[[2]], y.loc[[2]]), pair, labelled=True))
    assert [s.label for s in held_out] == [9]


def test_labels_in_memory_go_by_their_place():
    """Those of a Series of pandas that was shuffled were taken by the names of its rows."""

    class Series(dict):
        def __array__(self, dtype=None, copy=None):
            return np.array(list(self.values()), dtype)

    for values in ([7, 5, 6], ["b", "a", "c"]):
        data = open_dataset(
            (np.ones((3, 2, 3)), Series(zip((2, 0, 1), values, strict=True))), PAIR, labelled=True
        )
        assert [data.classes[s.label] if data.classes else s.label for s in data] == values


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 3, 2))}, r"shape \(3, 2\); the model takes \(2, 3\)"),
        ({"x": np.full((4, 2, 3), np.nan)}, "NaN"),
        ({"x": np.full((4, 2, 3), np.inf)}, "infinity"),
        ({"x": np.full((4, 2, 3), 1e300)}, "infinity"),
        ({"x": np.zeros((0, 2, 3))}, "empty"),
        ({"x": np.zeros((4, 2, 3), complex)}, "dtype complex128"),
        ({"x": np.full((4, 2, 3), "a")}, "dtype <U1"),
        ({"x": np.array([{}] * 4)}, "pickle"),
        ({"a": np.zeros((4, 2, 3)), "b": np.zeros((4, 2, 3))}, "no key .* it has a, b"),
        ({"x": np.zeros(())}, "no axis of samples"),
    ],
)
def test_bad_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(EdgeqError, match=message):
        list(open_dataset(tmp_path / "d.npz", PAIR))


def test_labels_that_do_not_match(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 2, 3)), y=np.zeros(5))
    with pytest.raises(EdgeqError, match=r"d.npz:x has 4, .*d.npz:y has 5"):
        open_dataset(tmp_path / "d.npz", PAIR, labelled=True)
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 2, 3)), y=np.full(4, np.nan))
    with pytest.raises(EdgeqError, match="label is NaN"):
        list(open_dataset(tmp_path / "d.npz", PAIR, labelled=True))
    np.save(tmp_path / "d.npy", np.zeros((4, 2, 3)))
    with pytest.raises(EdgeqError, match="one array only"):
        open_dataset(tmp_path / "d.npy", PAIR, labelled=True)


def test_integer_inputs_refuse_fractions_and_overflow():
    ids = [InputSpec("ids", (2,), "int8")]
    assert next(iter(open_dataset(np.array([[1.0, 2.0]]), ids))).inputs[0].dtype == np.int8
    with pytest.raises(EdgeqError, match="fractions"):
        list(open_dataset(np.array([[1.5, 2.0]]), ids))
    with pytest.raises(EdgeqError, match="from 1 to 200; int8 takes -128 to 127"):
        list(open_dataset(np.array([[1, 200]]), ids))


def test_damaged_files(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 nonsense")
    (tmp_path / "e.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    np.save(tmp_path / "f.npy", np.zeros((4, 2, 3)))
    whole = (tmp_path / "f.npy").read_bytes()
    (tmp_path / "f.npy").write_bytes(whole[:-10])
    (tmp_path / "g.npz").write_bytes(b"")
    for name, reason in (
        ("d.npz", "damaged or cut off"), ("e.npy", "cannot be read"), ("f.npy", "is cut off"),
        ("g.npz", "is empty"),
    ):  # fmt: skip
        with pytest.raises(EdgeqError, match=reason):
            open_dataset(tmp_path / name, PAIR)


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("count", [200_000_000, 10**30, -5])
def test_a_header_that_promises_too_much(tmp_path, count, fortran):
    """Nothing is allocated for what is not there."""
    header = f"{{'descr': '<f8', 'fortran_order': {fortran}, 'shape': ({count}, 2, 3), }}".encode()
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(960)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("x.npy", array)
    with pytest.raises(EdgeqError, match="cut off"):
        open_dataset(tmp_path / "bomb.npz", PAIR)


def test_numpy_s_advice_to_allow_pickles_is_not_passed_on(tmp_path):
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 65535)
    with pytest.raises(EdgeqError, match="header is damaged") as caught:
        open_dataset(tmp_path / "long.npz", PAIR)
    assert "pickle" not in str(caught.value)


def test_channels_first_is_recognized():
    images = [InputSpec("image", (32, 32, 3))]
    with pytest.raises(EdgeqError, match=r"numpy\.moveaxis\(x, 1, -1\)"):
        list(open_dataset(np.zeros((2, 3, 32, 32), np.float32), images))


def test_a_mean_for_each_of_three_channels_where_there_is_one():
    options = DatasetOptions(normalization=Normalization((1.0, 2.0, 3.0), (1.0,)))
    images = [InputSpec("image", (4, 4, 1))]
    with pytest.raises(EdgeqError, match="3 values of mean are given for 1 channels"):
        list(open_dataset(np.zeros((2, 4, 4, 1), np.uint8), images, options=options))


def test_flipped_bit_in_a_compressed_file(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", x=np.random.default_rng(0).random((4, 2, 3)))
    raw = bytearray((tmp_path / "d.npz").read_bytes())
    raw[len(raw) // 2] ^= 0x10
    (tmp_path / "d.npz").write_bytes(raw)
    with pytest.raises(EdgeqError, match="cannot be read"):
        list(open_dataset(tmp_path / "d.npz", PAIR))


def test_what_is_not_there_or_not_known(tmp_path):
    for source in ("nowhere.npz", "nowhere.npz:x", "/no/such/folder", "a/b:c"):
        with pytest.raises(EdgeqError, match="There is no"):
            open_dataset(source, PAIR)
    (tmp_path / "data.xlsx").write_bytes(b"")
    with pytest.raises(UsageError, match="no kind of data"):
        open_dataset(tmp_path / "data.xlsx", PAIR)
    with pytest.raises(EdgeqError, match=r"no images and no \.wav"):
        open_dataset(tmp_path, PAIR)


def image_folder(folder, channels=3):
    from PIL import Image

    for label, value in (("cat", 10), ("dog", 200)):
        (folder / label).mkdir()
        for index in range(2):
            Image.new("RGB", (9, 7), (value, value, value)).save(folder / label / f"{index}.png")


def test_images_resized_scaled_and_labelled(tmp_path):
    image_folder(tmp_path)
    spec = [InputSpec("image", (4, 5, 3))]
    options = DatasetOptions(normalization=Normalization((127.5,), (127.5,)))
    samples = both_passes(open_dataset(tmp_path, spec, labelled=True, options=options))
    assert [s.label for s in samples] == [0, 0, 1, 1]
    np.testing.assert_allclose(samples[0].inputs[0], (10 - 127.5) / 127.5, rtol=1e-6)
    grey = [InputSpec("image", (4, 5, 1))]
    for resize in ("stretch", "crop", "pad"):
        (first, *_) = open_dataset(tmp_path, grey, options=DatasetOptions(resize=resize))
        assert first.inputs[0].shape == (4, 5, 1) and first.inputs[0].max() == 10
    ordered = DatasetOptions(classes=("dog", "cat"))
    assert [s.label for s in open_dataset(tmp_path, spec, labelled=True, options=ordered)] == [
        1,
        1,
        0,
        0,
    ]


def test_bad_images(tmp_path):
    image_folder(tmp_path)
    with pytest.raises(EdgeqError, match="no image"):
        open_dataset(tmp_path, [InputSpec("x", (10,))])
    with pytest.raises(EdgeqError, match="classes cat"):
        open_dataset(
            tmp_path,
            [InputSpec("x", (4, 4, 3))],
            labelled=True,
            options=DatasetOptions(classes=("dog",)),
        )
    (tmp_path / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(EdgeqError, match="image cannot be read"):
        list(open_dataset(tmp_path, [InputSpec("x", (4, 4, 3))]))


def write_wav(path, values, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.asarray(values, "<i2").tobytes())


def test_audio_padded_and_cut(tmp_path):
    (tmp_path / "yes").mkdir()
    (tmp_path / "no").mkdir()
    write_wav(tmp_path / "yes" / "a.wav", [-32768, 16384])
    write_wav(tmp_path / "no" / "a.wav", range(100))
    data = open_dataset(tmp_path, [InputSpec("x", (4, 1))], labelled=True)
    assert data.classes == ("no", "yes")
    no, yes = both_passes(data)
    assert yes.inputs[0].ravel().tolist() == [-1, 0.5, 0, 0]
    assert no.inputs[0].ravel().tolist() == [0, 1 / 32768, 2 / 32768, 3 / 32768]
    with pytest.raises(EdgeqError, match="no waveform"):
        open_dataset(tmp_path, [InputSpec("x", (49, 10, 1))])
    write_wav(tmp_path / "no" / "b.wav", range(100), channels=2)
    with pytest.raises(EdgeqError, match="2 channels; the model takes 1"):
        list(open_dataset(tmp_path, [InputSpec("x", (4, 1))]))


def test_csv_numbers_and_names(tmp_path):
    (tmp_path / "d.csv").write_text("a,b,kind\n1,2,yes\n3.5,-4e1,no\n\n")
    spec = [InputSpec("x", (2,))]
    data = open_dataset(
        tmp_path / "d.csv", spec, labelled=True, options=DatasetOptions(label="kind")
    )
    one, two = both_passes(data)
    assert (one.inputs[0].tolist(), one.label) == ([1, 2], 1)
    assert (two.inputs[0].tolist(), two.label) == ([3.5, -40], 0)
    assert data.classes == ("no", "yes") and data.count == 2
    assert len(list(open_dataset(f"{tmp_path}/d.csv:b,a", spec))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,y\n1,2,0\n1,2\n", "line 3"),
        ("a,b,y\n1,zwei,0\n", "'zwei' in column 'b' is no number"),
        ("a,b,z\n1,2,0\n", "no column y"),
        ("a,y\n1,2\n", "1 feature columns; input 'x' takes 2"),
        ("a,b,y\n", "empty"),
        ("", "empty"),
        ("a,b,y\n1,nan,0\n", "'nan' in column 'b'"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(EdgeqError, match=message):
        list(
            open_dataset(
                tmp_path / "d.csv",
                [InputSpec("x", (2,))],
                labelled=True,
                options=DatasetOptions(label="y"),
            )
        )


def test_tfrecord_written_by_tensorflow(tmp_path):
    tf = pytest.importorskip("tensorflow")
    path = str(tmp_path / "d.tfrecord")
    jpeg = tf.io.encode_png(np.full((8, 8, 3), 7, np.uint8)).numpy()
    with tf.io.TFRecordWriter(path) as writer:
        for label in (3, -1):
            feature = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=range(6))),
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
                "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes(range(6))])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    samples = both_passes(open_dataset(path, PAIR, labelled=True))
    assert [s.label for s in samples] == [3, -1]
    assert samples[0].inputs[0].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert next(iter(open_dataset(path + ":raw", PAIR))).inputs[0].ravel().tolist() == [*range(6)]
    (image, *_) = open_dataset(path + ":image,label", [InputSpec("i", (4, 4, 3))])
    assert image.inputs[0].max() == 7
    with pytest.raises(EdgeqError, match="no feature nope"):
        list(open_dataset(path + ":nope", PAIR))


def test_damaged_tfrecord(tmp_path):
    path = tmp_path / "d.tfrecord"
    path.write_bytes(struct.pack("<QI", 5, 0) + b"hello")
    with pytest.raises(EdgeqError, match="no TFRecord file"):
        list(open_dataset(path, PAIR))


def test_generator_by_name(tmp_path, monkeypatch):
    (tmp_path / "gen_for_test.py").write_text(
        "import numpy as np\n"
        "def plain():\n    yield from np.ones((3, 2, 3))\n"
        "def pairs():\n    yield np.ones((1, 2, 3)), 5\n"
        "def lists():\n    yield [np.ones((1, 2, 3))]\n"
        "def nothing():\n    return iter(())\n"
        "def breaks():\n    yield np.ones((2, 3))\n    raise KeyError('lost')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert len(both_passes(open_dataset("gen_for_test:plain", PAIR))) == 3
    (pair,) = open_dataset(f"{tmp_path}/gen_for_test.py:pairs", PAIR, labelled=True)
    assert pair.label == 5
    assert len(list(open_dataset("gen_for_test:pairs", PAIR))) == 1
    assert len(list(open_dataset("gen_for_test:lists", PAIR))) == 1
    for name, message in [
        ("gen_for_test:nothing", "empty"),
        ("gen_for_test:breaks", "failed at sample 1: KeyError"),
        ("gen_for_test:missing", "no function 'missing'"),
        ("no_such_module_here:f", "cannot be imported"),
    ]:
        with pytest.raises(EdgeqError, match=message):
            list(open_dataset(name, PAIR))
    with pytest.raises(EdgeqError, match=r"must yield \(x, y\)"):
        list(open_dataset("gen_for_test:plain", PAIR, labelled=True))


def test_npz_is_no_archive_of_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(EdgeqError, match="it has none"):
        open_dataset(tmp_path / "d.npz", PAIR)
