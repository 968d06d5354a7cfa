"""Who is speaking? Audio features (cepstral coefficients) on a RISC-V core, by command line.

Runs the commands that one would type: convert, inspect, verify, evaluate, compile, profile.
The data are nine speakers' vowels as 12 LPC cepstrum coefficients a frame (aeon).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from examples.story import prepare

COMMANDS = """\
edgeq convert vowels.keras -o vowels.tflite --data calibration.npz --force
edgeq inspect vowels.tflite
edgeq verify vowels.tflite --on sim:rv32imc -n 5
edgeq evaluate vowels.tflite --on c --data test.npz
edgeq compile vowels.tflite -o vowels_c --target rv32imc --force
edgeq profile vowels.tflite --on sim:rv32imc
"""


def main(folder: Path) -> int:
    prepare("vowels", folder, epochs=60, rate=5e-3, batch=16)
    for command in COMMANDS.splitlines():
        print(f"\n$ {command}", flush=True)
        words = command.split()[1:]
        code = subprocess.run(
            [sys.executable, "-m", "edgeq", *words], cwd=folder, check=False
        ).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/audio")))
