"""What a firmware project knows of a compiled model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeq.compiler.ops.shared.base import C_TYPES
from edgeq.devices.generated import tensor_specs
from edgeq.devices.replay import input_spec, output_spec, replay_files
from edgeq.devices.serial.protocol import NO_OP
from edgeq.firmware.names import class_title
from edgeq.model.stream import Stream

if TYPE_CHECKING:
    from edgeq.compiler.compilation import Sources


@dataclass(frozen=True)
class ModelTensor:
    """One input or output of the generated C.

    Attributes:
        function: The accessor's name, such as "kws_input".
        bytes: Size of the tensor.
        shape, dtype: Of the TFLite tensor.
        ctype: C type of its elements.
        scale, zero_point: Of its quantization; 0 where there is none.
    """

    function: str
    bytes: int
    shape: tuple[int, ...] = ()
    dtype: str = "int8"
    ctype: str = "int8_t"
    scale: float = 0.0
    zero_point: int = 0

    @property
    def elements(self) -> int:
        """Number of elements of one call."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class TflmNeeds:
    """What a model needs of a TFLM tree.

    Attributes:
        kernels: "reference" or "cmsis-nn".
        stems: Sources under kernels/, without their extension and without "_common".
        stack_bytes: Stack that a call of TFLM may take.
    """

    kernels: str
    stems: tuple[str, ...]
    stack_bytes: int = 4096


@dataclass(frozen=True)
class FirmwareModel:
    """One model, compiled to C, on its way into a project.

    Attributes:
        name: Prefix of its C functions.
        sha256: Of the .tflite file, in hexadecimal.
        files: Generated sources: path in the project's model folder to text.
        arena_bytes: RAM for activations, inputs and outputs.
        state_bytes: RAM for what lives from call to call, where that is no part of the arena.
        replay_bytes: RAM for a piece of a recording and its answers, where it has a front end.
        golden_bytes: Constants of the self-test.
        ops: Number in the .tflite file of each op, in order of execution; -1 for a copy that
            the plan has put in.
        flash_bytes, ram_bytes: All the model needs, as far as known before a link; 0 if unknown.
        has_state, has_selftest: Whether NAME_reset() and NAME_selftest() exist.
        tflm: What it needs of a TensorFlow Lite Micro tree; None for generated C.
        external_arena: Whether NAME_init() takes the arena, so that models can share one.
        notes: What the user should know, a line each.
        optimization: Compiler option that its kernels were chosen for.
        stream: How samples reach it, where it has a front end; in firmware it is then called
            through NAME_replay.c, a piece of a recording a call, elsewhere by NAME_push.
    """

    name: str
    sha256: str
    files: Mapping[str, str]
    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]
    arena_bytes: int
    ops: tuple[int, ...]
    flash_bytes: int = 0
    ram_bytes: int = 0
    state_bytes: int = 0
    replay_bytes: int = 0
    golden_bytes: int = 0
    has_state: bool = False
    has_selftest: bool = False
    external_arena: bool = False
    tflm: TflmNeeds | None = None
    notes: tuple[str, ...] = ()
    optimization: str = "-O2"
    stream: Stream | None = None

    @property
    def called(self) -> str:
        """What the names of the functions begin with that the serial protocol calls."""
        return self.name if self.stream is None else f"{self.name}_replay"

    @property
    def sample_ctype(self) -> str:
        """C type of a sample, where it has a front end."""
        assert self.stream is not None
        return C_TYPES[self.stream.dtype]

    @property
    def answer_step(self) -> int:
        """Samples from one answer to the next, where it has a front end."""
        assert self.stream is not None
        return self.stream.step * self.stream.frame_step

    @property
    def title(self) -> str:
        """Its name as languages write the name of a class: KwsInt8 for kws_int8."""
        return class_title(self.name)

    @property
    def op_rows(self) -> list[str]:
        """The ops' numbers as rows of C literals."""
        ops = self.ops or (0,)  # C has no empty arrays
        words = [f"{NO_OP}U" if number < 0 else str(number) for number in ops]
        return [", ".join(words[start : start + 20]) for start in range(0, len(words), 20)]

    @property
    def sha256_rows(self) -> list[str]:
        """The digest as rows of C literals."""
        raw = bytes.fromhex(self.sha256)
        return [
            ", ".join(f"0x{byte:02X}" for byte in raw[start : start + 12])
            for start in range(0, len(raw), 12)
        ]


def accessor(name: str, kind: str, index: int) -> str:
    """The C function that gives an input or output: NAME_input, NAME_input_1, ..."""
    return f"{name}_{kind}" if index == 0 else f"{name}_{kind}_{index}"


def firmware_model(sources: Sources, *, replay: bool = True) -> FirmwareModel:
    """The firmware's view of generated C.

    Args:
        sources: What was generated.
        replay: Whether a model with a front end is called through NAME_replay.c.
    """
    manifest = sources.manifest
    name = manifest["name"]
    header = sources.files[f"{name}.h"]
    inputs = _tensors(name, "input", manifest["inputs"])
    outputs = _tensors(name, "output", manifest["outputs"])
    files, stream, replay_bytes = sources.files, sources.stream, 0
    if stream is not None and not replay:
        inputs = ()
    elif stream is not None:
        answers = tensor_specs(sources, "outputs")
        files = {**files, **replay_files(name, stream, answers)}
        inputs = (ModelTensor(f"{name}_replay_input", input_spec(stream).bytes),)
        outputs = (ModelTensor(f"{name}_replay_output", output_spec(stream, answers).bytes),)
        replay_bytes = sum(tensor.bytes for tensor in (*inputs, *outputs))
    return FirmwareModel(
        name=name,
        sha256=manifest["model"]["sha256"],
        files=files,
        inputs=inputs,
        outputs=outputs,
        arena_bytes=manifest["arena_bytes"],
        ops=tuple(entry["index"] for entry in manifest["ops"]),
        flash_bytes=manifest["constant_bytes"],
        state_bytes=manifest["state_bytes"],
        replay_bytes=replay_bytes,
        golden_bytes=manifest["golden_bytes"],
        has_state=f"void {name}_reset(" in header,
        has_selftest=f"int {name}_selftest(" in header,
        external_arena=f"void {name}_init(void *" in header,
        notes=(_summary(manifest),),
        optimization=next((f for f in manifest["cflags"] if f.startswith("-O")), "-O2"),
        stream=stream,
    )


def _summary(manifest: Mapping[str, Any]) -> str:
    return (
        f"{manifest['name']}: arena {manifest['arena_bytes']:,} bytes, "
        f"constants {manifest['constant_bytes']:,} bytes, {manifest['macs']:,} MACs"
    )


def _tensors(name: str, kind: str, entries: Sequence[Mapping[str, Any]]) -> tuple[ModelTensor, ...]:
    return tuple(
        ModelTensor(
            function=accessor(name, kind, index),
            bytes=entry["bytes"],
            shape=tuple(entry["shape"]),
            dtype=entry["dtype"],
            ctype=C_TYPES[entry["dtype"]],
            scale=entry["scale"] or 0.0,
            zero_point=entry["zero_point"] or 0,
        )
        for index, entry in enumerate(entries)
    )
