"""scikit-learn's digits in every container, and a linear model whose accuracy scikit-learn knows.

Pixels are 0..240 in steps of 15, labels are 0..9; the model takes `(pixel - 120) / 120`. The same
values lie in every container, exactly, so every figure must be scikit-learn's own.
"""

import csv
import functools
import gzip
import io
import struct
import wave
from dataclasses import dataclass

import numpy as np

from edgeq.data import DatasetOptions, Normalization

PIXELS = Normalization((120.0,), (120.0,))
WAVES = Normalization((0.25,), (0.25,))
TESTED = 120


@dataclass(frozen=True)
class Digits:
    """Pixels (N, 8, 8) uint8 and labels, and the scikit-learn model that was trained on others."""

    pixels: np.ndarray
    labels: np.ndarray
    judge: object

    def accuracy(self, pixels=None, labels=None):
        """What scikit-learn says."""
        from sklearn.metrics import accuracy_score

        pixels = self.pixels if pixels is None else pixels
        x = (pixels.reshape(len(pixels), -1).astype(np.float64) - 120) / 120
        return accuracy_score(self.labels if labels is None else labels, self.judge.predict(x))


@functools.cache
def load() -> Digits:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    found = load_digits()
    pixels = (found.images * 15).astype(np.uint8)
    order = np.random.default_rng(3).permutation(len(pixels))
    train, test = order[:300], order[300 : 300 + TESTED]
    judge = LogisticRegression(max_iter=300)
    judge.fit((pixels[train].reshape(len(train), -1) - 120.0) / 120, found.target[train])
    return Digits(pixels[test], found.target[test], judge)


def keras_model(shape=(8, 8, 1), activation="softmax"):
    """The same linear model in Keras."""
    import keras

    judge = load().judge
    inputs = keras.Input(shape, name="pixels")
    flat = keras.layers.Flatten()(inputs)
    outputs = keras.layers.Dense(10, activation=activation, name="classes")(flat)
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([judge.coef_.T, judge.intercept_])
    return model


def options(**values):
    """Options for pixels, changed."""
    return DatasetOptions(**{"normalization": PIXELS, "label": None, **values})


# Each writer puts the set into a folder and gives what to pass as data, and the options for it.


def npz(folder, digits):
    np.savez_compressed(folder / "d.npz", x=digits.pixels, y=digits.labels)
    return folder / "d.npz", {}


def npz_floats(folder, digits):
    np.savez(folder / "f.npz", images=digits.pixels.astype(np.float64)[..., None], t=digits.labels)
    return f"{folder}/f.npz:images,t", {}


def npz_names(folder, digits):
    np.savez(folder / "n.npz", x=digits.pixels, y=np.array([f"d{n}" for n in digits.labels]))
    return folder / "n.npz", {}


def npy_pair(folder, digits):
    np.save(folder / "x.npy", digits.pixels)
    np.save(folder / "y.npy", digits.labels)
    return f"{folder}/x.npy,{folder}/y.npy", {}


def npy_label(folder, digits):
    np.save(folder / "x.npy", np.asfortranarray(digits.pixels.astype(">i4")))
    np.save(folder / "y.npy", digits.labels)
    return folder / "x.npy", {"label": "y.npy"}


def _folders(folder, digits, save, names=str):
    top = folder / "classes"
    for number in range(10):
        (top / names(number)).mkdir(parents=True)
    for index, (pixels, label) in enumerate(zip(digits.pixels, digits.labels, strict=True)):
        save(pixels, top / names(label) / f"{index:04}")
    return top


def _image_folder(make, suffix="png", **saved):
    def write(folder, digits):
        def save(pixels, path):
            make(pixels).save(f"{path}.{suffix}", **saved)

        return _folders(folder, digits, save), {}

    return write


def _grey(pixels):
    from PIL import Image

    return Image.fromarray(pixels)


def _palette(pixels):
    from PIL import Image

    image = Image.fromarray(255 - pixels, "L").convert("P")
    image.putpalette([255 - n for n in range(256) for _ in range(3)])
    return image


def _rgba(pixels):
    return _grey(pixels).convert("RGBA")


def _in_alpha(pixels):
    from PIL import Image

    image = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    image.putalpha(_grey(pixels))
    return image


def _deep(pixels):
    from PIL import Image

    return Image.fromarray(pixels.astype(np.uint16) * 257)


def _float(pixels):
    from PIL import Image

    return Image.fromarray(pixels.astype(np.float32))


png = _image_folder(_grey)
png_palette = _image_folder(_palette)
png_rgba = _image_folder(_rgba)
png_alpha = _image_folder(_in_alpha)
png_16 = _image_folder(_deep)
tiff_16 = _image_folder(_deep, "tiff")
tiff_float = _image_folder(_float, "tif")
bmp = _image_folder(_grey, "bmp")


def png_large(folder, digits):
    """Twice as large; every pixel four times, so that any way of resizing gives it back."""
    from PIL import Image

    def save(pixels, path):
        Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(f"{path}.png")

    return _folders(folder, digits, save), {}


def _table(separator, number, *, quote=csv.QUOTE_MINIMAL, encoding="utf-8", index=False, end="\n"):
    def write(folder, digits):
        path = folder / "d.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.writer(file, delimiter=separator, quoting=quote, lineterminator=end)
            names = [*(f"p{n}" for n in range(64)), "label"]
            writer.writerow(["", *names] if index else names)
            rows = zip(digits.pixels.reshape(-1, 64), digits.labels, strict=True)
            for position, (values, label) in enumerate(rows):
                fields = [*map(number, values), label]
                writer.writerow([position, *fields] if index else fields)
        return path, {"label": "label"}

    return write


csv_commas = _table(",", str)
csv_semicolons = _table(";", lambda v: f"{v},0")
csv_tabs = _table("\t", lambda v: f"{v:e}", end="\r\n")
csv_bars = _table("|", lambda v: f"{v}.0", quote=csv.QUOTE_ALL, encoding="utf-8-sig")
csv_spaces = _table(" ", lambda v: f"+{v}")
csv_utf16 = _table(";", str, encoding="utf-16")
csv_pandas = _table(",", str, index=True)


def csv_bare(folder, digits):
    """No header, the label first, as MNIST's CSV files are."""
    path = folder / "d.csv"
    rows = zip(digits.pixels.reshape(-1, 64), digits.labels, strict=True)
    path.write_text("".join(f"{label},{','.join(map(str, values))}\n" for values, label in rows))
    return path, {"label": "0"}


def csv_gzip(folder, digits):
    path, given = csv_commas(folder, digits)
    (folder / "d.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    return folder / "d.csv.gz", given


def _records(encode, label=None, packing=""):
    def write(folder, digits):
        import tensorflow as tf

        path = str(folder / "d.tfrecord")
        kinds = {
            bytes: lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])),
            int: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=[v])),
            list: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
            tuple: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
        }
        with tf.io.TFRecordWriter(path, packing) as writer:
            for pixels, number in zip(digits.pixels, digits.labels, strict=True):
                given = int(number) if label is None else label(number)
                feature = {"image": encode(pixels), "label": given}
                made = {name: kinds[type(value)](value) for name, value in feature.items()}
                example = tf.train.Example(features=tf.train.Features(feature=made))
                writer.write(example.SerializeToString())
        return path, {}

    return write


def _png_bytes(pixels):
    stream = io.BytesIO()
    _grey(pixels).save(stream, "png")
    return stream.getvalue()


def _serialized(dtype):
    def encode(pixels):
        import tensorflow as tf

        return tf.io.serialize_tensor(pixels.astype(dtype)).numpy()

    return encode


records_floats = _records(lambda p: [float(v) for v in p.ravel()])
records_integers = _records(lambda p: tuple(map(int, p.ravel())), packing="GZIP")
records_bytes = _records(lambda p: p.tobytes(), packing="ZLIB")
records_float_bytes = _records(lambda p: p.astype("<f4").tobytes())
records_int_bytes = _records(lambda p: p.astype("<i4").tobytes())
records_png = _records(_png_bytes, label=lambda n: f"digit {n}".encode(), packing="GZIP")
records_tensor = _records(_serialized(np.float32))
records_tensor_u8 = _records(_serialized(np.uint8))


def generator(folder, digits):
    np.savez(folder / "g.npz", x=digits.pixels, y=digits.labels)
    (folder / "mine.py").write_text(
        "import numpy as np\n"
        "def pairs():\n"
        f"    with np.load({str(folder / 'g.npz')!r}) as file:\n"
        "        yield from zip(file['x'].astype(float), file['y'])\n"
    )
    return f"{folder}/mine.py:pairs", {}


IMAGES = {
    "png": png, "png palette": png_palette, "png rgba": png_rgba, "png alpha": png_alpha,
    "png 16 bit": png_16, "tiff 16 bit": tiff_16,
    "tiff float": tiff_float, "bmp": bmp,
}  # fmt: skip
TABLES = {
    "csv commas": csv_commas, "csv semicolons": csv_semicolons, "csv tabs": csv_tabs,
    "csv bars": csv_bars, "csv spaces": csv_spaces, "csv utf-16": csv_utf16,
    "csv pandas": csv_pandas, "csv bare": csv_bare, "csv gzip": csv_gzip,
}  # fmt: skip
RECORDS = {
    "records floats": records_floats, "records integers gzip": records_integers,
    "records bytes zlib": records_bytes, "records float bytes": records_float_bytes,
    "records int bytes": records_int_bytes, "records png gzip": records_png,
    "records tensor": records_tensor, "records tensor u8": records_tensor_u8,
}  # fmt: skip
ARRAYS = {
    "npz": npz, "npz floats": npz_floats, "npz names": npz_names, "npy pair": npy_pair,
    "npy label": npy_label, "generator": generator,
}  # fmt: skip
CONTAINERS = {**ARRAYS, **IMAGES, **TABLES, **RECORDS}


def wav_bytes(values, rate=16000, *, kind="pcm16", channels=1):
    """A .wav file of values in -1..1, written by hand but for plain PCM."""
    values = np.asarray(values, np.float64)
    if kind in ("pcm8", "pcm16", "pcm32"):
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(int(kind[3:]) // 8)
            file.setframerate(rate)
            if kind == "pcm8":
                raw = np.round(values * 128 + 128).astype(np.uint8)
            else:
                bits = int(kind[3:])
                raw = np.round(values * 2 ** (bits - 1)).astype(f"<i{bits // 8}")
            file.writeframes(raw.tobytes())
        return stream.getvalue()
    if kind == "extensible24":
        whole = np.round(values * 2**23).astype("<i4")
        raw = whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        code, width = 0xFFFE, 3
        guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
        more = struct.pack("<HHI", 22, 24, 4) + guid
    else:
        width = 8 if kind == "float64" else 4
        raw, code, more = values.astype(f"<f{width}").tobytes(), 3, struct.pack("<H", 0)
    frame = width * channels
    header = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, width * 8) + more
    # A chunk between header and data, of odd length, as editors leave them.
    body = b"fmt " + struct.pack("<I", len(header)) + header + b"LIST\x03\0\0\0abc\0"
    body += b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def wav_folder(kind="pcm16", rate=16000):
    """Digits as recordings of 64 values: pixel v, in steps of 15, is v / 480."""

    def write(folder, digits):
        def save(pixels, path):
            values = pixels.ravel() / 480
            path.with_suffix(".wav").write_bytes(wav_bytes(values, rate, kind=kind))

        return _folders(folder, digits, save), {"normalization": WAVES}

    return write


WAVS = {
    f"wav {kind}": wav_folder(kind)
    for kind in ("pcm8", "pcm16", "pcm32", "extensible24", "float32", "float64")
}
