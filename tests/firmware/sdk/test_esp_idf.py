"""The project on ESP-IDF's linux target, where IDF_PATH says that there is an ESP-IDF.

Needs the Python packages of ESP-IDF in the Python that IDF_PYTHON names (by default `python`).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.firmware.create import create_project
from tests.firmware.boards import need_tools

IDF = Path(os.environ.get("IDF_PATH", "/nowhere"))
PYTHON = shutil.which(os.environ.get("IDF_PYTHON", "python"))
pytestmark = pytest.mark.skipif(
    not (IDF / "tools" / "cmake" / "project.cmake").is_file(), reason="needs ESP-IDF: IDF_PATH"
)


def test_the_self_test_passes_on_the_linux_target(models, tmp_path):
    need_tools("ninja")
    folder = tmp_path / "fw"
    model = models / "sww_int8.tflite"
    create_project([model], folder, target="esp32-c3-devkitm-1", template="esp-idf", name="sww")
    environment = os.environ | {
        "IDF_TARGET": "linux",
        "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
    }
    for command in (
        ["cmake", "-G", "Ninja", "-B", "build", "-DIDF_TARGET=linux", "-DPYTHON_DEPS_CHECKED=1"],
        ["ninja", "-C", "build"],
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"warning: {folder}" not in done.stdout
    done = subprocess.run(
        [folder / "build" / "sww.elf"], capture_output=True, text=True, timeout=120, check=False
    )
    assert "edgeq sww: self-test PASS" in done.stdout
    assert done.returncode == 0
