"""Manifests of the frameworks' projects against schemas written after the public specifications."""

import configparser
import json
from pathlib import Path

import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.firmware.create import create_project

jsonschema = pytest.importorskip("jsonschema")
kconfiglib = pytest.importorskip("kconfiglib")
xmlschema = pytest.importorskip("xmlschema")
yaml = pytest.importorskip("yaml")

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(params=["c", "tflm"])
def make(request, models, tmp_path):
    """Makes a project of one kind, with generated C and with TensorFlow Lite Micro."""

    def project(template, board):
        create_project(
            [models / "sww_int8.tflite"],
            tmp_path / "fw",
            target=board,
            template=template,
            name="sww",
            runtime=request.param,
        )
        return tmp_path / "fw"

    return project


def check(data, schema):
    text = (SCHEMAS / schema).read_text()
    jsonschema.Draft202012Validator(json.loads(text)).validate(data)


def test_arduino(make):
    folder = make("arduino", "arduino-nano-33-ble")
    lines = (folder / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines if line)
    check(properties, "arduino_library.json")
    assert (folder / "src" / properties["includes"]).is_file()
    assert (folder / "examples" / "sww" / "sww.ino").is_file()


def test_platformio_takes_no_flag_away_that_is_asked_for(models, tmp_path):
    """It removes the flags of `build_unflags` last, from its own and from the project's."""
    create_project(
        [models / "sww_int8.tflite"],
        tmp_path / "fw",
        target="arduino-nano-33-ble",
        template="platformio",
        options=CompileOptions("size"),
    )
    ini = configparser.ConfigParser()
    ini.read(tmp_path / "fw" / "platformio.ini")
    (section,) = ini.sections()
    assert ini[section]["build_flags"] == "-Os"
    assert "build_unflags" not in ini[section]


def test_platformio(make):
    folder = make("platformio", "arduino-nano-33-ble")
    ini = configparser.ConfigParser()
    ini.read(folder / "platformio.ini")
    (section,) = ini.sections()
    platform, _, board = load_target("arduino-nano-33-ble").frameworks["platformio"].partition("/")
    assert section.startswith("env:")
    assert (ini[section]["platform"], ini[section]["board"]) == (platform, board)
    assert ini[section]["build_flags"] == "-O2"
    assert ini[section]["build_unflags"] == "-Os"
    library = json.loads((folder / "lib" / "model" / "library.json").read_text())
    check(library, "platformio_library.json")
    assert all((folder / "lib" / "model" / "src" / name).is_file() for name in library["headers"])


def test_zephyr(make, monkeypatch):
    folder = make("zephyr", "nrf52840-dk")
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    check(module, "zephyr_module.json")
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    kconfig = kconfiglib.Kconfig(str(folder / module["build"]["kconfig"]), warn_to_stderr=False)
    assert not kconfig.warnings
    # Zephyr's own symbols are not there; ours must be, and can be set.
    kconfig.load_config(str(folder / "app" / "prj.conf"))
    (symbol,) = kconfig.unique_defined_syms
    assert (symbol.name, symbol.str_value) == ("EDGEQ_SWW", "y")


def test_esp_idf(make):
    folder = make("esp-idf", "esp32-c3-devkitm-1")
    manifest = folder / "components" / "model" / "idf_component.yml"
    check(yaml.safe_load(manifest.read_text()), "idf_component.json")


def test_cmsis_pack(make):
    folder = make("sources", "ek-ra8m1")
    file = folder / "edgeq.sww.pdsc"  # vendor.name, as the specification asks
    schema = xmlschema.XMLSchema(str(SCHEMAS / "pack.xsd"))
    schema.validate(str(file))
    files = [entry.get("name") for entry in xmlschema.XMLResource(str(file)).root.iter("file")]
    assert files
    assert all((folder / name).exists() for name in files)
    listed = {name for name in files if name.endswith((".c", ".cc"))}
    there = {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".c", ".cc")
    }
    assert listed == there


@pytest.mark.parametrize(
    ("schema", "bad"),
    [
        ("zephyr_module.json", {"name": "a b", "build": {"cmake": "."}}),
        ("idf_component.json", {"version": "1.0.0", "dependencies": {"idf": "five"}}),
        ("arduino_library.json", {"name": "x"}),
        ("platformio_library.json", {"name": "a/b", "version": "1.0.0"}),
    ],
)
def test_the_schemas_refuse_what_is_wrong(schema, bad):
    with pytest.raises(jsonschema.ValidationError):
        check(bad, schema)
