"""Hostile .tflite files: seen through in little memory, and printed without harm."""

import re
import struct
import zipfile
from functools import cache

import numpy as np
import pytest

from edgeq.conversion.flatbuffer import pack, unpack
from edgeq.conversion.network import Network
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from edgeq.model.tflite.metadata import ENTRY, Described, ModelInfo, read_info, write_info
from tests.memory import peak_mb
from tests.oracle.build import (
    OpSpec,
    SubgraphSpec,
    TensorSpec,
    build,
    single_op,
    single_op_subgraph,
)

EVIL = "\x1b]0;title\x07\x1b[2J\u202ename\n[red]Error: none[/]\r[/nothing]"


def model(name="in", **first):
    weights = np.arange(12, dtype=np.int8).reshape(3, 4)
    return single_op(
        "FULLY_CONNECTED",
        [TensorSpec((1, 4), scale=0.5, name=name, **first),
         TensorSpec((3, 4), scale=0.25, data=weights, name=f"{name} weights"),
         TensorSpec((3,), "int32", scale=0.125, data=np.zeros(3, np.int32))],
        [TensorSpec((1, 3), scale=1.0, name=f"{name} out")],
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [["inspect"], ["inspect", "--tensors"], ["inspect", "--json"], ["compile", "-o", "c"]],
)
def test_names_cannot_steer_the_terminal(cli, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(model(EVIL))
    done = cli(command[0], "m.tflite", *command[1:])
    assert done.code == 0, done.err
    for text in (done.out, done.err):
        assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith("Error: none") for line in done.out.splitlines())
    for file in (tmp_path / "c").glob("*.[ch]"):
        text = file.read_text()
        assert all(line.isprintable() for line in text.splitlines()), file
    if command[1:] != ["--json"] and command[0] == "inspect":
        assert "\\x1b" in done.out


def test_other_texts_of_a_model():
    tensors = [TensorSpec((1, 4), scale=0.5), TensorSpec((1, 4), scale=0.5)]
    op = single_op_subgraph("CUSTOM" + EVIL, tensors[:1], tensors[1:])
    subgraph = SubgraphSpec(op.tensors, op.ops, op.inputs, op.outputs, name=EVIL)
    graph = parse_graph(build([subgraph], description=EVIL, signatures={EVIL: 0}))
    texts = [graph.description, graph.main.name, graph.main.ops[0].custom_name]
    texts += [signature.key for signature in graph.signatures]
    assert all(text and text.isprintable() for text in texts)


@pytest.mark.parametrize("signature", [(-1, 4, 4), (-1,), (1, 1, 1, 1, 1, 1, 1, 1, -1)])
def test_a_shape_signature_of_other_axes(cli, tmp_path, signature):
    data = model(signature=signature)
    with pytest.raises(EdgeqError, match="shape signature of"):
        parse_graph(data)
    (tmp_path / "m.tflite").write_bytes(data)
    assert cli("inspect", tmp_path / "m.tflite").code == 1
    assert len(parse_graph(model(signature=(-1, 4))).main.ops) == 1


def labelled():
    output = Described("out", (3,), labels=("a", "b", "c"))
    return write_info(ModelInfo("net", (Described("in", (4,)),), (output,)))


def archive(path, name, megabytes, method=zipfile.ZIP_DEFLATED):
    with (
        zipfile.ZipFile(path, "w", method, compresslevel=1) as opened,
        opened.open(name, "w", force_zip64=True) as file,
    ):
        for _ in range(megabytes):
            file.write(b"label\n" * 174762 + b"abc\n")
    return path.read_bytes()


@pytest.mark.parametrize("name", ["labels.txt", "other.txt"])
def test_labels_of_a_hundred_megabytes(tmp_path, name):
    whole = model() + archive(tmp_path / "a.zip", name, 100)
    assert len(whole) < 20 << 20
    read = []
    assert peak_mb(lambda: read.append(read_info(labelled(), whole))) < 50
    assert read[0].outputs[0].labels == ()


def test_labels_that_are_no_bomb(tmp_path):
    whole = model() + archive(tmp_path / "a.zip", "labels.txt", 1)
    assert read_info(labelled(), whole).outputs[0].labels[0] == "label"


@pytest.mark.parametrize("line", [b"\n", b"\x1b\n", b"\x1b", b"a\x0b", b"abc\r\n"])
def test_label_files_that_no_model_has_classes_for(tmp_path, line):
    """A zip of 16 KB became eight million labels, spelled out."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("labels.txt", line * ((16 << 20) // len(line)))
    whole = model() + (tmp_path / "a.zip").read_bytes()
    read = []
    assert peak_mb(lambda: read.append(read_info(labelled(), whole))) < 60
    assert read[0].outputs[0].labels == ()


def test_ends_of_lines_of_label_files(tmp_path):
    for text in ("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nb\nc", "\ufeffa \n b\t\nc\n"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
            opened.writestr("labels.txt", text)
        whole = model() + (tmp_path / "a.zip").read_bytes()
        assert read_info(labelled(), whole).outputs[0].labels == ("a", "b", "c")


@pytest.mark.parametrize("damage", range(3))
def test_damaged_archives_behind_a_model(tmp_path, damage):
    data = bytearray(archive(tmp_path / "a.zip", "labels.txt", 1))
    if damage == 0:
        data[60:90] = bytes(30)  # zlib's own errors
    elif damage == 1:
        data = bytearray(archive(tmp_path / "b.zip", "labels.txt", 1, zipfile.ZIP_LZMA))
        data[60:90] = bytes(30)
    else:
        place = data.find(b"PK\x01\x02")
        struct.pack_into("<H", data, place + 8, 1)  # encrypted, it says
    assert read_info(labelled(), model() + bytes(data)).outputs[0].labels == ()


def test_labels_are_printable(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("labels.txt", "a\x1b[2J\nb\u202e\nc")
    found = read_info(labelled(), model() + (tmp_path / "a.zip").read_bytes())
    assert found.outputs[0].labels == ("a\\x1b[2J", "b\\u202e", "c")


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"model": 3}', '{"metric": "x"}', "[" * 10**5,
                                  '{"limits": 3, "verify": 3, "model": {}, "edgeq": ""}', "NaN",
                                  '{"memory_bytes": 3, "model": {"path": "x"}, "edgeq": ""}',
                                  '{"against": "x", "model": "y", "edgeq": 3}'])  # fmt: skip
def test_results_that_are_none(cli, tmp_path, text):
    file = tmp_path / "r.json"
    file.write_text(text)
    report = cli("report", file, "-o", tmp_path / "r.html")
    assert report.code in (0, 1), report.err
    assert (report.code == 0) == (tmp_path / "r.html").exists()
    compared = cli("compare", file, file)
    assert compared.code == 1
    assert re.search(r"no (profile|result|sound JSON|pair)", compared.err)


@cache
def nested(levels, last):
    """Branches inside of branches; those of the last are its own number, or none."""
    truth = TensorSpec((1,), "bool")
    value = TensorSpec((1, 4), "int8", scale=0.5)
    graphs = []
    for level in range(levels):
        following = dict.fromkeys(("then_subgraph_index", "else_subgraph_index"), level + 1)
        if level + 1 == levels:
            following = dict.fromkeys(following, last) if last is not None else None
        ops = [OpSpec("IF", [0, 1], [2], following)] if following else []
        graphs.append(SubgraphSpec([truth, value, value], ops, [0, 1], [2 if ops else 1]))
    return build(graphs)


@pytest.mark.parametrize("command", ["inspect", "compile", "run", "profile"])
@pytest.mark.parametrize(
    ("levels", "last", "said"),
    [(1500, None, "call each other 1,499 deep"), (40, 0, "subgraph 0 calls itself"),
     (1500, 1000, "subgraph 0 calls itself, or one that does")],
)  # fmt: skip
def test_subgraphs_inside_each_other(cli, tmp_path, command, levels, last, said):
    (tmp_path / "m.tflite").write_bytes(nested(levels, last))
    words = {"compile": ["-o", tmp_path / "c"], "profile": ["--on", "local"]}.get(command, [])
    if command == "run":
        np.savez(tmp_path / "x.npz", **{"0": np.ones((1, 1), bool), "1": np.ones((1, 1, 4), "i1")})
        words = ["--on", "local", "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz"]
    done = cli(command, tmp_path / "m.tflite", *words)
    assert (done.code, said in done.err) == (1, True), done.err
    parse_graph(nested(33, None), "m.tflite")


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_bytes_that_two_readers_would_find_in_two_places(cli, tmp_path, command):
    """LiteRT takes those inside; a comparison with a file rewritten by edgeq would be blind."""
    from ai_edge_litert import schema_py_generated as schema

    net = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model(), 0))
    buffer = next(b for b in net.buffers if b.data is not None and len(b.data) == 12)
    held, buffer.data = buffer.data, None
    buffer.offset, buffer.size = 64, 12
    parse_graph(pack(net), "m.tflite")  # behind the flatbuffer alone, it is read
    buffer.data = held
    (tmp_path / "m.tflite").write_bytes(pack(net))
    words = ["--on", "c", "-n", "3"] if command == "verify" else []
    done = cli(command, tmp_path / "m.tflite", *words)
    assert done.code == 1
    assert "is in the file twice, inside and behind it" in done.err
    buffer.offset = buffer.size = 0
    net.subgraphs[0].operators[0].largeCustomOptionsOffset = 64
    with pytest.raises(EdgeqError, match="its options lie behind the flatbuffer"):
        parse_graph(pack(net), "m.tflite")


@pytest.mark.parametrize("std", [(-2.0,), (0.0,), (np.nan,), (np.inf,), (1.0, -1.0, 1.0, 1.0)])
def test_a_normalization_that_makes_no_sense(tmp_path, cli, std):
    """Values would be turned over, or become infinite: an error of the file, no usage of it."""
    network = Network.unpack(model(), "")
    inputs = (Described("in", (4,), mean=(0.0,) * len(std), std=std),)
    network.add_metadata(ENTRY, write_info(ModelInfo("net", inputs, ())))
    (tmp_path / "m.tflite").write_bytes(network.pack())
    np.savez(tmp_path / "d.npz", x=np.ones((3, 4), np.float32), y=np.zeros(3, int))
    done = cli("evaluate", tmp_path / "m.tflite", "--data", tmp_path / "d.npz")
    assert done.code == 1
    assert "The model's metadata make no sense for input 'in'" in done.err
    assert "std above 0" in done.err
    assert cli("inspect", tmp_path / "m.tflite").code == 0


def test_sparse_weights_are_refused_by_name():
    """What is stored was read as if it were the whole matrix."""
    from ai_edge_litert import schema_py_generated as schema

    network = unpack(model())
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = np.array([1, 0], np.int32)
    network.subgraphs[0].tensors[1].sparsity = sparsity
    with pytest.raises(EdgeqError, match=r"sparse weights .* are not read; store them dense"):
        parse_graph(pack(network))


def repeated(part, times):
    """The model with a table of `part` in its vector many times, as one object of Python is."""
    network = unpack(model())
    tables = getattr(network.subgraphs[0], part)
    again = tables[-1] if part == "operators" else tables[1]
    again.Pack = cache(again.Pack)
    setattr(network.subgraphs[0], part, [*tables, *[again] * times])
    return network


def test_tensors_of_one_buffer_hold_it_once():
    network = repeated("tensors", 400)
    weights = network.subgraphs[0].tensors[1]
    weights.shape = np.array([1000, 1000], np.int32)
    network.buffers[weights.buffer].data = np.zeros(10**6, np.uint8)
    data = pack(network)
    assert len(data) < 1.1e6
    assert peak_mb(lambda: parse_graph(data)) < 60


def test_a_table_that_stands_for_millions_is_refused():
    network = repeated("operators", 3000)
    network.subgraphs[0].operators[0].inputs = np.zeros(10**5, np.int32)
    with pytest.raises(EdgeqError, match="its parts are used many times over"):
        parse_graph(pack(network))


@pytest.mark.parametrize("name", ["RESHAPE", "ARG_MAX"])
def test_an_op_that_reads_what_it_makes_or_lacks_an_input(cli, tmp_path, name):
    file, data = tmp_path / "m.tflite", tmp_path / "d.npz"
    own = OpSpec(name, [1] if name == "RESHAPE" else [0], [1])
    made = TensorSpec((1, 4), scale=0.5) if name == "RESHAPE" else TensorSpec((1,), "int32")
    file.write_bytes(build([SubgraphSpec([TensorSpec((1, 4), scale=0.5), made], [own], [0], [1])]))
    np.savez(data, x=np.zeros((4, 4), np.float32), y=np.arange(4))
    done = cli("evaluate", file, "--on", "c", "--data", data)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "never written" in done.err or "input 1 is missing" in done.err
