"""Instructions of the generated C on 32-bit Arm, against TensorFlow Lite on one thread.

    python -m benchmarks.arm32                the five models; writes benchmarks/arm32.json
    python -m benchmarks.arm32 --only kws --dry

As benchmarks/arm64.py, in QEMU as a Raspberry Pi 2's Cortex-A7. LiteRT has no library for 32-bit
Arm; what there is is TensorFlow Lite 2.14's package for Python, whose kernels are ruy's and its own
in NEON (it was built without XNNPACK). It runs in a Debian userland with that Python, made here by
mmdebstrap; a call's way through Python counts as its own. docs/hosts.md has the table
(`python scripts/doc_tables.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from benchmarks.arm64 import counted, counter, ours
from benchmarks.ledger import TINY, shared_models

FILE = Path(__file__).parent / "arm32.json"
COMPILER, QEMU, CPU = "arm-linux-gnueabihf-gcc", "qemu-arm", "cortex-a7"
VERSION = "2.14.0"
_CALLS = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
model = Interpreter(sys.argv[1], num_threads=1)
model.allocate_tensors()
given = model.get_input_details()[0]
values = np.random.default_rng(1).integers(-128, 128, given["shape"])
model.set_tensor(given["index"], values.astype(given["dtype"]))
for _ in range(int(sys.argv[2])):
    model.invoke()
"""
_CPUINFO = """processor\t: 0
model name\t: ARMv7 Processor rev 5 (v7l)
BogoMIPS\t: 38.40
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer\t: 0x41
CPU architecture: 7
CPU variant\t: 0x0
CPU part\t: 0xc07
CPU revision\t: 5

Hardware\t: BCM2835
"""


def userland(folder: Path) -> Path:
    """Debian's armhf with Python 3.11, numpy and TensorFlow Lite; nothing of it is installed."""
    root = folder / "root"
    hooks = "/usr/share/mmdebstrap/hooks/merged-usr"
    packages = "python3-minimal,libpython3-stdlib,python3-numpy,libstdc++6"
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--arch=armhf"),
            *(f"--hook-dir={hooks}", f"--include={packages}", "bookworm", str(root), *sites[:1]),
        ],
        check=True,
    )
    for library in ("blas", "lapack"):
        for found in root.glob(f"usr/lib/*/{library}/lib{library}.so.3"):
            (found.parent.parent / found.name).symlink_to(f"{library}/{found.name}")
    wanted = ["--only-binary=:all:", "--platform", "manylinux_2_34_armv7l"]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *wanted),
            *("--python-version", "3.11", "-d", str(folder), f"tflite-runtime=={VERSION}"),
        ],
        check=True,
    )
    (wheel,) = folder.glob("tflite_runtime-*.whl")
    zipfile.ZipFile(wheel).extractall(root / "usr/lib/python3/dist-packages")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(_CPUINFO)
    (folder / "calls.py").write_text(_CALLS)
    return root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--dry", action="store_true", help="print only")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    kept |= {"tflite": VERSION, "cpu": CPU}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        plugin, root = counter(folder), userland(folder)
        python = [str(root / "usr/bin/python3.11"), str(folder / "calls.py")]
        for name in TINY:
            if given.only not in name:
                continue
            path = shared_models() / f"{name}_int8.tflite"
            row = {
                isa: round(counted(ours(path, isa, "armv7", COMPILER), QEMU, CPU, plugin))
                for isa in ("portable", "neon")
            }
            theirs = counted([*python, str(path)], QEMU, CPU, plugin, "-L", str(root))
            row["tflite"] = round(theirs)
            kept.setdefault("models", {})[name] = row
            print(f"{name}: {row}, {row['neon'] / theirs:.2f}x", flush=True)
            if not given.dry:
                FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
