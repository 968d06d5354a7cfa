"""What library projects ask for, and what they say when it is not there."""

import pytest

from edgeq.boards.target_schema import APP_TEMPLATES
from edgeq.firmware.create import read_project
from edgeq.firmware.model import class_title
from tests.oracle.build import TensorSpec, single_op


@pytest.fixture
def tiny(tmp_path):
    x = TensorSpec((1, 5), "int8", scale=0.5, zero_point=3)
    path = tmp_path / "tiny.tflite"
    path.write_bytes(single_op("RELU", [x], [TensorSpec((1, 5), "int8", scale=0.5, zero_point=3)]))
    return path


def compiled(cli, tiny, folder, template, *options):
    return cli("compile", tiny, "-o", folder, "--project", template, *options)


@pytest.mark.parametrize("template", APP_TEMPLATES)
def test_a_microcontroller_is_refused(cli, tiny, tmp_path, template):
    done = compiled(cli, tiny, tmp_path / "net", template, "--target", "cortex-m4")
    assert done.code == 2
    assert "for application processors" in done.err
    assert not (tmp_path / "net").exists()


def test_a_host_or_no_target(cli, tiny, tmp_path):
    done = compiled(cli, tiny, tmp_path / "net", "linux", "--target", "raspberry-pi-5")
    assert done.code == 0, done.err
    assert read_project(tmp_path / "net").target.name == "raspberry-pi-5"
    done = compiled(cli, tiny, tmp_path / "any", "linux", "--json")
    assert done.json["target"] == "portable"
    text = (tmp_path / "any" / "src" / "tiny.c").read_text()
    assert "for application processors, little-endian" in text


@pytest.mark.parametrize("template", ["web", "android"])
def test_without_a_compiler_nothing_is_written(cli, tiny, tmp_path, monkeypatch, template):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    done = compiled(cli, tiny, tmp_path / "net", template)
    assert done.code == 1
    assert "ziglang package is not installed" in done.err
    assert "edgeq[firmware]" in done.err
    assert not (tmp_path / "net").exists()


def test_tflm_is_for_firmware(cli, tiny, tmp_path):
    done = compiled(cli, tiny, tmp_path / "net", "linux", "--runtime", "tflm")
    assert done.code == 2
    assert "holds generated C" in done.err


def test_two_classes_of_one_name(cli, tiny, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny.read_bytes())
    names = ["--name", f"a_b={tiny}", "--name", f"aB={other}"]
    done = cli("compile", tiny, other, "-o", tmp_path / "n", "--project", "linux", *names)
    assert done.code == 2
    assert "class 'AB'" in done.err


@pytest.mark.parametrize(
    "name, title",
    [("kws", "Kws"), ("kws_int8", "KwsInt8"), ("vww96", "Vww96"), ("tensor", "ModelTensor"),
     ("_9", "Model9"), ("m_string", "MString")],
)  # fmt: skip
def test_the_name_of_a_class(name, title):
    assert class_title(name) == title
