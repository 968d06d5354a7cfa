"""PlatformIO reads what is made for it with its own parser, lint and packer, if `pio` is there."""

import json
import os
import shutil
import subprocess

import pytest

from edgeq.firmware.create import create_project

PIO = shutil.which(os.environ.get("EDGEQ_PIO", "pio"))
pytestmark = pytest.mark.skipif(
    PIO is None, reason="needs PlatformIO: EDGEQ_PIO, or pip install platformio"
)


def pio(folder, *arguments):
    environment = os.environ | {
        "PLATFORMIO_CORE_DIR": str(folder / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
    }
    done = subprocess.run(
        [PIO, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("board", ["arduino-nano-33-ble", "arduino-mega-2560"])
def test_the_project_is_one_and_the_library_packs(board, tmp_path):
    from tests.compiler.codegen.test_golden import small_model

    model, folder = tmp_path / "small.tflite", tmp_path / "fw"
    model.write_bytes(small_model())
    made = create_project([model], folder, target=board, template="platformio", name="small")
    platform, _, board_id = made.target.frameworks["platformio"].partition("/")
    ((section, options),) = json.loads(pio(folder, "project", "config", "--json-output"))
    assert section == f"env:{board}"
    read = dict(options)
    assert (read["platform"], read["board"]) == (platform, board_id)
    assert read["framework"] == ["arduino"]
    assert "free from linting errors" in pio(folder, "project", "config", "--lint")
    packed = tmp_path / "model.tar.gz"
    pio(folder, "pkg", "pack", "lib/model", "-o", str(packed))
    assert packed.stat().st_size > 1000
