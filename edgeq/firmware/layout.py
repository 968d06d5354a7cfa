"""Which template files make up each kind of project, and what they are filled in with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from edgeq import __version__
from edgeq.boards.emulators import qemu_command
from edgeq.boards.target import Region, Target
from edgeq.errors import EdgeqError
from edgeq.firmware.model import FirmwareModel

STACK_BYTES = 2048
"""RAM that a bare-metal project keeps for the stack at least."""

APPLICATION_STACK_BYTES = 512
"""The most that start-up code, self-test and serial protocol take of it under a model's call."""

OPS_HEADER = "eq_ops.h"
"""What the generated code includes in a project, so that its ops can be timed."""

_COMMON_SOURCES = ("eq_app.c", "eq_models.c", "eq_ops.c", "eq_serial.c")
_COMMON_HEADERS = ("eq_app.h", "eq_models.h", OPS_HEADER, "eq_port.h", "eq_serial.h")
_LISTENING = ("eq_listen.c", "eq_listen.h")
_CACHED = ("cortex-m7", "cortex-m55", "cortex-m85")


@dataclass(frozen=True)
class Layout:
    """One project before rendering.

    Attributes:
        files: Path in the project to path under firmware_templates/.
        context: What the templates are filled in with.
        model_folder: Where the generated sources go, with a slash at the end, or "".
        each: The same as `files` for every model, which is `model` in the path and in the context.
    """

    files: Mapping[str, str]
    context: Mapping[str, Any]
    model_folder: str
    each: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildOptions:
    """What a bare-metal project is compiled and linked with, besides the CPU's own options.

    Attributes:
        compile: For every C file; the dialect is gnu99.
        link: For the image, besides the linker script.
        libraries: Behind everything else; float ops call what C99 has in <math.h>.
        library: Which C library, where the compiler has a choice.
    """

    compile: tuple[str, ...]
    link: tuple[str, ...]
    libraries: tuple[str, ...]
    library: tuple[str, ...]


def bare_metal_options(target: Target, optimization: str) -> BuildOptions:
    """The options of a bare-metal project, for its CMakeLists.txt and for our own link of it."""
    arm = target.toolchain == "arm-none-eabi"
    return BuildOptions(
        compile=(optimization, "-ffunction-sections", "-fdata-sections"),
        link=("-nostartfiles", "-Wl,--gc-sections"),
        libraries=("-lm",),
        library=("--specs=nano.specs", "--specs=nosys.specs") if arm else (),
    )


def arena_bytes(models: Sequence[FirmwareModel]) -> int:
    """RAM for the models' activations; models with an external arena share one."""
    shared = max((model.arena_bytes for model in models if model.external_arena), default=0)
    return shared + sum(model.arena_bytes for model in models if not model.external_arena)


def least_ram_bytes(models: Sequence[FirmwareModel], target: Target) -> int:
    """All RAM of the models that is known without their code."""
    needed = arena_bytes(models)
    needed += sum(model.state_bytes + model.replay_bytes for model in models)
    if target.constants_in_ram:
        needed += least_flash_bytes(models)
    return needed


def least_flash_bytes(models: Sequence[FirmwareModel]) -> int:
    """The models' constants, with those of their self-tests."""
    return sum(model.flash_bytes + model.golden_bytes for model in models)


def arena_region(models: Sequence[FirmwareModel], target: Target) -> Region:
    """The RAM region for the arenas: the first with room for them and some more, or the largest."""
    needed = arena_bytes(models) * 9 // 8 + STACK_BYTES
    # All other data lies in the first.
    others = sum(model.state_bytes + model.replay_bytes for model in models)
    regions = target.regions("ram")
    for region in regions:
        if region.size_bytes >= needed + (others if region is regions[0] else 0):
            return region
    return max(regions, key=lambda region: region.size_bytes)


def model_sources(models: Sequence[FirmwareModel], folder: str) -> list[str]:
    """The C files of all models, each once."""
    return sorted({f"{folder}{path}" for model in models for path in model.files if _is_c(path)})


def include_folders(models: Sequence[FirmwareModel], folder: str) -> list[str]:
    """The folders that the models' headers lie in."""
    headers = [path for model in models for path in model.files if path.endswith(".h")]
    return sorted({str(PurePosixPath(f"{folder}{path}").parent) for path in headers})


def common_context(models: Sequence[FirmwareModel], target: Target, name: str) -> dict[str, Any]:
    """What every kind of project is filled in with."""
    return {
        "edgeq_version": __version__,
        "name": name,
        "models": models,
        "shared_arena_bytes": max((m.arena_bytes for m in models if m.external_arena), default=0),
        "target": target,
        "clock_hz": 0,
        "tflm_stems": sorted({stem for m in models if m.tflm for stem in m.tflm.stems}),
        "tflm_kernels": next((m.tflm.kernels for m in models if m.tflm), ""),
        "optimization": models[0].optimization,
        "listener": listener(models),
    }


def listener(models: Sequence[FirmwareModel]) -> FirmwareModel | None:
    """The first model that a microphone can feed; None where there is none."""
    for model in models:
        if model.stream is not None and model.stream.sound:
            return model
    return None


def listening_files(models: Sequence[FirmwareModel], folder: str) -> dict[str, str]:
    """The double buffer between a microphone and a model, where one listens."""
    if listener(models) is None:
        return {}
    return {f"{folder}{file}": f"common/{file}" for file in _LISTENING}


def common_files(folder: str) -> dict[str, str]:
    """The application that all kinds share: self-test and serial protocol."""
    return {f"{folder}{file}": f"common/{file}" for file in (*_COMMON_SOURCES, *_COMMON_HEADERS)}


def bare_metal(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """CMake with our own start-up code and linker script."""
    files = common_files("src/") | _bare_metal_files(target) | {"src/main.c": "bare-metal/main.c"}
    files |= listening_files(models, "src/")
    return _bare_metal_layout(files, models, target, name)


def mlperf_tiny(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """The bare-metal project with a main() that answers MLPerf Tiny's runner."""
    files = {
        f"src/{file}": f"common/{file}" for file in ("eq_models.c", "eq_models.h", "eq_port.h")
    }
    files |= _bare_metal_files(target)
    files["src/main.c"] = "mlperf-tiny/main.c"
    files["README.md"] = "mlperf-tiny/README.md"
    layout = _bare_metal_layout(files, models, target, name)
    return replace(layout, context={**layout.context, **_benchmark(models[0])})


def _benchmark(model: FirmwareModel) -> dict[str, Any]:
    """Which of the benchmark's models this is, and how its numbers are scaled.

    Raises:
        EdgeqError: The model is none that the runner can feed.
    """
    both = [[tensor.dtype for tensor in side] for side in (model.inputs, model.outputs)]
    if both != [["int8"], ["int8"]]:
        raise EdgeqError(
            "The benchmark's firmware takes a model with one int8 input and one int8 output.",
            where=model.name,
        )
    known = {"kws": "kws01", "vww": "vww01", "ad": "ad01", "resnet": "ic01", "ic": "ic01"}
    known |= {"sww": "strww01", "str_ww": "strww01"}
    name = model.name.lower()
    benchmark = next((known[prefix] for prefix in known if name.startswith(prefix)), name)
    entry, result = model.inputs[0], model.outputs[0]
    return {
        "benchmark": benchmark,
        "input": entry,
        "output": result,
        "is_image": len(entry.shape) == 4 and entry.shape[-1] == 3,
        "is_autoencoder": entry.shape == result.shape,
    }


def _bare_metal_files(target: Target) -> dict[str, str]:
    assert target.uart is not None
    startup = "startup_riscv.S" if target.toolchain == "riscv" else "startup_cortex_m.c"
    sources = ["board.c", "board.h", startup, f"cycles_{target.cycle_counter}.c"]
    sources.append(f"idle_{_idle(target)}.c")
    files = {f"src/{file}": f"bare-metal/{file}" for file in sources}
    files[f"src/uart_{target.uart.driver}.c"] = f"bare-metal/uart/{target.uart.driver}.c"
    if target.boot:
        files[f"src/boot_{target.boot}.c"] = f"bare-metal/boot/{target.boot}.c"
    for file in ("CMakeLists.txt", "toolchain.cmake", "memory.ld", "README.md"):
        files[file] = f"bare-metal/{file}"
    return files


def _idle(target: Target) -> str:
    """How the firmware waits for a byte: only what is known to wake up again sleeps."""
    if "qemu" not in target.emulators:
        return "none"
    return "plic" if target.toolchain == "riscv" else "nvic"


def tflm_files(models: Sequence[FirmwareModel], folder: str) -> dict[str, str]:
    """What a project needs besides the models themselves when TFLM runs them."""
    if not any(model.tflm for model in models):
        return {}
    return {"tflm.cmake": "tflm/tflm.cmake", f"{folder}debug_log.cc": "tflm/debug_log.cc"}


def _bare_metal_layout(
    files: Mapping[str, str], models: Sequence[FirmwareModel], target: Target, name: str
) -> Layout:
    assert target.uart is not None
    folder = "model/"
    arena = arena_region(models, target)
    ram = target.regions("ram")[0]
    definitions = _arena_definitions(models) if arena != ram else []
    if target.cpu in _CACHED:
        definitions.append("EQ_CACHES")
    if target.cpu in ("cortex-m0plus", "cortex-m23"):
        definitions.append("EQ_VTOR")
    files = {**files, **tflm_files(models, "src/")}
    own = sorted(path for path in files if path.endswith((".c", ".cc", ".S")))
    context = common_context(models, target, name) | {
        "uart": target.uart,
        "qemu": qemu_command(target, f"build/{name}.elf"),
        "clock_hz": target.uart.core_clock_hz,
        "flash": target.regions("flash")[0],
        "ram": ram,
        "arena": arena,
        "stack_bytes": max([STACK_BYTES, *(m.tflm.stack_bytes for m in models if m.tflm)]),
        "sources": own + model_sources(models, folder),
        "include_folders": include_folders(models, folder),
        "definitions": definitions,
        "options": bare_metal_options(target, models[0].optimization),
    }
    return Layout(files, context, folder)


def _arena_definitions(models: Sequence[FirmwareModel]) -> list[str]:
    """Macros that put the arenas into the section of their own."""
    names = [f"{m.name.upper()}_ARENA_ATTR" for m in models if not m.external_arena]
    if any(model.external_arena for model in models):
        names.append("EQ_ARENA_ATTR")
    return [f'{name}=__attribute__((section(".eq_arena"),aligned(16)))' for name in names]


def _is_c(path: str) -> bool:
    return path.endswith((".c", ".cc", ".cpp"))
