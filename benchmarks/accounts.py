"""Is what edgeq says of an image before it is built what the linker makes? Byte for byte?

    python -m benchmarks.accounts [MODEL.tflite ...] [--targets 12] [--sample N] [--again] [--write]

For every model, target, way to optimise, and with and without known answers: the account that
`edgeq inspect` prints against GNU size's figures of the image that CMake builds from the project
that `edgeq compile` writes. Without models: the benchmark networks in five schemes, and the
published ones that lie beside the repository. What was compared before is kept in the results
file and not done again, so a run that was stopped goes on; --again begins anew. Each image is
linked twice, by edgeq and by CMake; objects of the same source by the same flags are compiled
once for all of them (`same_objects.py`), and known answers are computed once for a model. What is
kept is of one state of the code that makes images and of one file of the model: where either has
changed since, the combination is compared again. --write puts the table into docs/accounts.md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import networks
from edgeq.analysis.account import image_account
from edgeq.boards.target import Target, load_target
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.options import CompileOptions
from edgeq.devices import oracle
from edgeq.devices.tensors import graph_specs
from edgeq.errors import EdgeqError
from edgeq.firmware import account as firmware_account
from edgeq.firmware.create import create_project
from edgeq.model.inputs import xorshift_inputs
from edgeq.model.model_file import read_graph

TARGETS = (
    "nucleo-f446re", "nucleo-f103rb", "nucleo-g071rb", "nucleo-h743zi2", "nucleo-u575zi-q",
    "nrf52840-dk", "raspberry-pi-pico", "raspberry-pi-pico-2", "adafruit-metro-m4", "corstone-300",
    "longan-nano", "qemu-microbit",
)  # fmt: skip
NETWORKS = ("mobilenet_v2_035_96", "lstm_64x49", "mlp_64_128_10")
MODES = ("balanced", "ram", "size")
SCHEMES = ("int8", "int8-per-tensor", "int16x8", "int4", "weight-only")
RESULTS = networks.FOLDER / "accounts.jsonl"
OBJECTS = networks.FOLDER / "objects"
ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "accounts.md"
# What an image and the account of it are made by; the facts of other runtimes are no part of it.
MAKES_IMAGES = (
    "edgeq/analysis/account.py", "edgeq/boards/*.py", "edgeq/compiler/**/*.py",
    "edgeq/firmware/**/*.py", "edgeq/kernels/**/*.[ch]", "edgeq/model/**/*.py",
    "firmware_templates/**/*", "targets/*.toml",
)  # fmt: skip


def state_of_code() -> str:
    """A digest of what makes images, and of the account of them."""
    files = sorted({file for form in MAKES_IMAGES for file in ROOT.glob(form) if file.is_file()})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def sha256(model: Path) -> str:
    """The digest of a model's file."""
    return hashlib.sha256(model.read_bytes()).hexdigest()[:16]


def models() -> list[Path]:
    """The published models beside the repository, and the benchmark networks by scheme."""
    default = ROOT.parent / "shared"
    shared = Path(os.environ.get("EDGEQ_SHARED", default)) / "models" / "mlperf_tiny"
    made = [converted(name, scheme) for name in NETWORKS for scheme in SCHEMES]
    return [*sorted(shared.glob("*.tflite")), *(path for path in made if path is not None)]


def converted(name: str, scheme: str) -> Path | None:
    """A benchmark network in a scheme, made on first use and kept; None if it has none."""
    import edgeq

    networks.converted(name)  # leaves the Keras file and its calibration data behind
    path = networks.folder() / f"{name}_{scheme}.tflite"
    data = str(networks.folder() / f"{name}_calibration.npy")
    if not path.exists():
        try:
            source = networks.folder() / f"{name}.keras"
            edgeq.convert(source, output=path, data=data, scheme=scheme, quality_check=False)
        except EdgeqError as error:
            print(f"{name} as {scheme}: {error.what}", flush=True)
            return None
    return path


def compare(model: Path, name: str, mode: str, *, golden: bool) -> dict[str, Any]:
    """What is said of an image, and what the linker makes of it."""
    target, options = load_target(name), CompileOptions(mode)
    case = {"model": model.stem, "target": name, "optimize": mode, "golden": golden}
    said = image_account(model, target, options, golden=golden)
    assert said is not None, "a compiler is missing"
    found = {"said": [said.flash_bytes, said.static_ram_bytes], "fits": said.fits}
    if not said.fits:
        return {**case, **found, "built": None, "overflows": not builds(model, name, mode, golden)}
    with tempfile.TemporaryDirectory(prefix="edgeq-") as scratch:
        folder = Path(scratch) / "project"
        create_project(
            [model], folder, target=name, template="bare-metal", options=options, golden=golden
        )
        build(folder)
        elf = next((folder / "build").glob("*.elf"))
        program = (
            "riscv64-unknown-elf-size" if target.toolchain == "riscv" else "arm-none-eabi-size"
        )
        out = subprocess.run([program, elf], capture_output=True, text=True, check=True).stdout
    text, data, zeroed = (int(word) for word in out.splitlines()[1].split()[:3])
    return {**case, **found, "built": [text + data, data + zeroed]}


def builds(model: Path, name: str, mode: str, golden: bool) -> bool:
    """Whether CMake can link an image that is said to be too large, after all."""
    with tempfile.TemporaryDirectory(prefix="edgeq-") as scratch:
        folder = Path(scratch) / "project"
        create_project(
            [model],
            folder,
            target=name,
            template="bare-metal",
            options=CompileOptions(mode),
            golden=golden,
            force=True,
        )
        try:
            build(folder)
        except subprocess.CalledProcessError:
            return False
    return True


def launcher() -> tuple[str, ...]:
    """What stands in front of the compiler, so that nothing is compiled twice."""
    OBJECTS.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("same_objects.py")
    return (sys.executable, "-I", "-S", str(script), str(OBJECTS))


def share() -> None:
    """Let edgeq's own link take the objects too, and known answers of a model be found once."""
    plain, opened = firmware_account.cross_toolchain, oracle.open_oracle

    def with_launcher(target: Target) -> Toolchain:
        found = plain(target)
        return replace(found, command=(*launcher(), *found.command))

    @cache
    def answers(model: Path) -> dict[int, Any]:
        graph = read_graph(model)
        specs = graph_specs(graph, graph.main.inputs)
        inputs = xorshift_inputs([spec.shape for spec in specs], [spec.dtype for spec in specs])
        _, session = opened(model)
        with session:
            return session.trace(inputs)

    firmware_account.cross_toolchain = with_launcher
    oracle.open_oracle = lambda model: ("", Known(answers(Path(model))))


@dataclass(frozen=True)
class Known:
    """An oracle that was asked before."""

    values: dict[int, Any]

    def __enter__(self) -> Known:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def trace(self, _inputs: object) -> dict[int, Any]:
        """What it answered."""
        return self.values


def build(folder: Path) -> None:
    option = f"-DCMAKE_C_COMPILER_LAUNCHER={';'.join(launcher())}"
    for command in (
        ["cmake", "-G", "Ninja", "-B", "build", "-S", ".", option],
        ["cmake", "--build", "build"],
    ):
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def right(found: dict[str, Any]) -> bool:
    """Whether what was said is what came."""
    return found["overflows"] if found["built"] is None else found["said"] == found["built"]


def table(results: list[dict[str, Any]]) -> str:
    lines = ["| model | images | equal | too large, as said | differ |", "|---|---|---|---|---|"]
    for name in sorted({found["model"] for found in results}):
        mine = [found for found in results if found["model"] == name]
        equal = sum(found["built"] is not None and right(found) for found in mine)
        large = sum(found["built"] is None and right(found) for found in mine)
        lines.append(f"| {name} | {len(mine)} | {equal} | {large} | {len(mine) - equal - large} |")
    good = sum(right(found) for found in results)
    boards = len({found["target"] for found in results})
    lines.append("")
    lines.append(f"{good} of {len(results)} images as said, on {boards} boards.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--targets", type=int, default=len(TARGETS))
    parser.add_argument("--sample", type=int, help="only so many of the combinations")
    parser.add_argument("--again", action="store_true", help="forget what was compared before")
    parser.add_argument("--write", action="store_true", help="put the table into docs/accounts.md")
    arguments = parser.parse_args()
    programs = list(
        itertools.product(arguments.models or models(), TARGETS[: arguments.targets], MODES)
    )
    # In an order that has seen every model, board and mode soon, wherever it is stopped.
    random.Random(0).shuffle(programs)
    cases = [(*program, golden) for program in programs for golden in (True, False)]
    cases = cases[: arguments.sample]
    share()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.touch()
    if arguments.again:
        RESULTS.write_text("")
    known = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    code = state_of_code()
    wanted = {(code, sha256(model), model.stem, *rest) for model, *rest in cases}
    keys = ("code", "sha256", "model", "target", "optimize", "golden")
    done = {tuple(found.get(key) for key in keys): found for found in known}
    known = [found for key, found in done.items() if key in wanted]
    for model, name, mode, golden in cases:
        if (code, sha256(model), model.stem, name, mode, golden) in done:
            continue
        found = compare(model, name, mode, golden=golden)
        found = {"code": code, "sha256": sha256(model), **found}
        known.append(found)
        with RESULTS.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print("equal" if right(found) else "DIFFERS", found, flush=True)
    text = table(known)
    print(text)
    if arguments.write:
        head, _, rest = DOCS.read_text().partition("<!-- accounts:begin -->\n")
        tail = rest.partition("<!-- accounts:end -->")[2]
        DOCS.write_text(
            f"{head}<!-- accounts:begin -->\n{text}<!-- accounts:end -->{tail}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
