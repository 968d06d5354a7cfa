"""One recording, and the same detections wherever it is heard."""

import wave

import pytest

from benchmarks.replay import everywhere
from edgeq.compiler.options import CompileOptions
from edgeq.frontend.build import front_end
from tests.devices.test_replay import EARS, passing
from tests.frontend.signals import recording

SECONDS, CUT = 8, 3


@pytest.mark.slow
@pytest.mark.parametrize("board", ["qemu-riscv32-virt"])
def test_a_recording_gives_the_same_detections_everywhere(tmp_path, board):
    folder = tmp_path / "heard"
    folder.mkdir()
    with wave.open(str(folder / "all.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(recording(SECONDS, seed=2).tobytes())
    (folder / "events.csv").write_text("file,start,end,label\n")
    options = CompileOptions(frontend=front_end(EARS))
    found = list(everywhere(passing(tmp_path), folder, options, board=board, cut=CUT))
    assert [each.on.partition(":")[0] for each in found] == ["c", "sim", "ssh", "serial"]
    assert [each.seconds for each in found] == [SECONDS, CUT, SECONDS, SECONDS]
    assert all(each.equal and each.detections >= 5 for each in found), found
