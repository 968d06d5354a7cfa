"""The same nets in Keras, ONNX and PyTorch: the same integer models, and float ones as PyTorch's.

`make test-doors` runs these in an environment of their own: PyTorch is a large package.
"""

import io
import pickle
import zipfile

import numpy as np
import pytest

from edgeq.errors import EdgeqError
from tests.doors.nets import CONVOLUTIONAL, NETS

torch = pytest.importorskip("torch", reason="needs PyTorch and onnxruntime: make test-doors")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: make test-doors")


@pytest.fixture(scope="module", params=sorted(NETS))
def found(request, tmp_path_factory):
    """Name of a net, and what each door made of it."""
    from tests.doors.routes import routes

    return request.param, routes(request.param, tmp_path_factory.mktemp(request.param))


def test_the_float_model_is_pytorchs(found):
    _, routes = found
    assert {
        door: route.float_error for door, route in routes.items() if route.float_error > 1e-4
    } == {}


# Random weights in 17 blocks leave int8 some 5 dB, whichever framework they come from.
ROUGH = ("mobilenet-v2",)


def test_integer_models_are_as_large_and_as_good_as_of_keras(found):
    name, routes = found
    keras = routes["keras"]
    for door, route in routes.items():
        assert abs(route.int8_bytes / keras.int8_bytes - 1) < 0.05, door
        assert abs(route.agreement - keras.agreement) <= 0.01, door
        assert abs(route.signal_to_noise_db - keras.signal_to_noise_db) < 1.5, door
        if name not in ROUGH:
            assert float((route.classes == keras.classes).mean()) >= 0.99, door
            assert route.signal_to_noise_db > 20, door
            assert route.agreement > 0.95, door


def test_no_axes_are_turned_in_convolutional_nets(found):
    name, routes = found
    if name in CONVOLUTIONAL:
        assert {door: route.ops["TRANSPOSE"] for door, route in routes.items()} == dict.fromkeys(
            routes, 0
        )


class Evil:
    def __reduce__(self):
        return (print, ("it ran",))


def exported(tmp_path):
    path = tmp_path / "model.pt2"
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    torch.export.save(torch.export.export(net.eval(), (torch.zeros(1, 3),)), path)
    return path


def test_no_pickle_of_a_program_is_opened(tmp_path, capsys):
    from edgeq.conversion.float_model import float_model

    path = exported(tmp_path)
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    sample = next(name for name in members if name.endswith("sample_inputs/model.pt"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil()))
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    members[sample] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    made = float_model(path)
    assert [op.name for op in made.graph.main.ops] == ["FULLY_CONNECTED"]
    assert "it ran" not in capsys.readouterr().out
    # PyTorch itself, which --trust asks for, opens it: the attack is a real one.
    with pytest.raises(EdgeqError):
        float_model(path, trust=True)


def test_sizes_that_would_be_evaluated_are_refused(tmp_path):
    from edgeq.conversion.float_model import float_model

    path = exported(tmp_path)
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    graph = next(name for name in members if name.endswith("models/model.json"))
    evil = b'{"as_expr": {"expr_str": "print(1)", "hint": null}}'
    members[graph] = members[graph].replace(b'{"as_int": 3}', evil, 1)
    assert evil in members[graph]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(EdgeqError, match="size is computed"):
        float_model(path)


class _Sequence(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 5, batch_first=True, **options)

    def forward(self, x):
        return self.lstm(x)[0]


@pytest.mark.parametrize(
    ("net", "shape", "words"),
    [
        (torch.nn.AvgPool2d(2, divisor_override=3), (1, 2, 4, 4), "divisor_override"),
        (_Sequence(proj_size=3, bias=False), (1, 6, 4), "proj_size"),
    ],
)
def test_what_pytorchs_exporter_passes_over_is_refused(tmp_path, net, shape, words):
    from edgeq.conversion.float_model import float_model

    program = torch.export.export(net.eval(), (torch.zeros(shape),))
    torch.export.save(program, tmp_path / "model.pt2")
    with pytest.raises(EdgeqError, match=words):
        float_model(tmp_path / "model.pt2")


def test_models_are_held_against_pytorch_and_not_its_exporters_file(tmp_path, monkeypatch):
    from edgeq.conversion.sources.torch import models
    from edgeq.workflow.convert import convert

    monkeypatch.setattr(models, "_check_exporter", lambda *given: None)
    net = torch.nn.Sequential(torch.nn.AvgPool2d(2, divisor_override=3), torch.nn.Flatten())
    program = torch.export.export(net.eval(), (torch.zeros(1, 2, 4, 4),))
    torch.export.save(program, tmp_path / "model.pt2")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 2, 4, 4), np.float32))
    with pytest.raises(EdgeqError, match="does not compute what the model itself does"):
        convert(tmp_path / "model.pt2", output=tmp_path / "m.tflite", data=tmp_path / "x.npy")


class _Shift(torch.nn.Module):
    def forward(self, x):
        return x + torch.tensor([1.0, 2.0])


def test_constants_made_in_forward(tmp_path):
    from edgeq.conversion.float_model import float_model

    program = torch.export.export(_Shift().eval(), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "model.pt2")
    (op,) = float_model(tmp_path / "model.pt2").graph.main.ops
    assert op.name == "ADD"


def test_an_open_batch_in_a_program(tmp_path):
    from edgeq.conversion.float_model import float_model

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        net.eval(), (torch.zeros(2, 3, 8, 7),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(program, tmp_path / "model.pt2")
    made = float_model(tmp_path / "model.pt2")
    assert made.inputs[0].shape == (8, 7, 3)
    assert made.inputs[0].file_shape == (3, 8, 7)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 3", "must return a model and example inputs"),
        ("return 3, 4", "a torch.nn.Module and tensors are needed"),
        ("raise ValueError('no weights')", "The function failed: ValueError: no weights"),
    ],
)
def test_what_a_function_may_return(tmp_path, body, words):
    from edgeq.conversion.float_model import float_model

    (tmp_path / "mine.py").write_text(f"def net():\n    {body}\n")
    with pytest.raises(EdgeqError, match=words):
        float_model(f"{tmp_path / 'mine.py'}:net")


def test_a_function_deploys(tmp_path, cli, monkeypatch):
    """The whole chain, data channels first all the way."""
    (tmp_path / "mine.py").write_text(
        "import torch\ndef net():\n    torch.manual_seed(1)\n"
        "    m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(),\n"
        "        torch.nn.Flatten(), torch.nn.Linear(48, 3))\n"
        "    return m, (torch.zeros(1, 3, 9, 8),)\n"
    )
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    x = random.normal(0, 1, (40, 3, 9, 8)).astype(np.float32)
    np.savez("xy.npz", x=x, y=random.integers(0, 3, 40))
    done = cli(
        "convert", "mine:net", "-o", "q.tflite", "--data", "xy.npz", "--eval", "xy.npz", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["quality"]["outputs"][0]["signal_to_noise_db"] > 25
    judged = cli("evaluate", "q.tflite", "--on", "c", "--data", "xy.npz", "--json")
    assert judged.code == 0, judged.err
    assert judged.json[judged.json["metric"]] == done.json["accuracy"]["quantized"]
