"""Any model file as one thing: a float .tflite with batch 1, a signature and readable names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeq.conversion.flatbuffer import op_kinds
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.network import Answers, LearnedScale, Network, Range
from edgeq.conversion.pass_log import PassLog, rewritten
from edgeq.conversion.passes import FLOAT_PASSES
from edgeq.conversion.passes.heads import outputs_of, with_head
from edgeq.conversion.passes.names import name_tensors
from edgeq.conversion.passes.recurrent.keep import keep_states
from edgeq.conversion.passes.split_outputs import split_outputs
from edgeq.conversion.sources.formats import (
    is_exported_program,
    is_function,
    is_keras_file,
    is_onnx_file,
)
from edgeq.conversion.sources.imported import Imported, sample_axes
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.conversion.streaming.form import StreamForm
from edgeq.data import InputSpec
from edgeq.errors import EdgeqError
from edgeq.metrics.outputs import Outputs
from edgeq.model.file_axes import ENTRY, read_axes, write_axes
from edgeq.model.graph import Graph
from edgeq.model.loops import LOOPS, check_loops
from edgeq.model.model_file import parse_graph
from edgeq.model.samples import input_spec
from edgeq.model.settling import ENTRY as SETTLING
from edgeq.model.settling import write_settling
from edgeq.model.tflite.metadata import ModelInfo
from edgeq.support.foreign import open_file, shaped_as

_TRUST_LOOPS = (
    "give the loop a fixed number of turns (maximum_iterations of tf.while_loop), or --trust, if "
    "you know that it ends"
)


@dataclass(frozen=True)
class OwnAnswers:
    """What a model computes in its own framework.

    Attributes:
        answers: Of samples.
        data: The float model with the outputs of these.
        rounds: Whether the model rounds its values as it was trained to, and the float model not.
    """

    answers: Answers
    data: bytes
    rounds: bool = False


@dataclass(frozen=True)
class FloatModel:
    """A float model, ready to be calibrated, quantized, run or compared against.

    Attributes:
        data: A .tflite whose tensors carry unique names made of layer names.
        source: The file it came from.
        graph: The same, read.
        info: Labels and normalization that the file came with; None for none.
        learned_ranges, learned_scales, integer_inputs: As in `Network`.
        outputs: What its outputs' numbers are by the loss it was trained with; None if not known.
        stream: How it streams, if it takes steps of what a sample is a window of.
        front: The front end that it was split from, whose recordings are its samples.
        own: What its source itself computes; None where that cannot be told.
    """

    data: bytes
    source: str
    graph: Graph
    info: ModelInfo | None = None
    learned_ranges: Mapping[str, Range] = field(default_factory=dict)
    learned_scales: Mapping[str, LearnedScale] = field(default_factory=dict)
    integer_inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Outputs | None = None
    stream: StreamForm | None = None
    front: Hearing | None = None
    own: OwnAnswers | None = None

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What a call takes, batch axis left out."""
        main = self.graph.main
        described = self.info.inputs if self.info else ()
        axes = read_axes(self.graph.metadata, self.source)
        return tuple(
            input_spec(main.tensors[index], described[position : position + 1], axes)
            for position, index in enumerate(main.inputs)
        )

    @property
    def samples(self) -> tuple[InputSpec, ...]:
        """What a sample must look like: what a call takes, a window of such, or a recording."""
        if self.front is not None:
            return (self.front.spec,)
        if self.stream is None:
            return self.inputs
        return tuple(
            replace(spec, shape=shape)
            for spec, shape in zip(self.inputs, self.stream.windows, strict=True)
        )

    @property
    def pieces(self) -> Hearing | StreamForm | None:
        """What makes calls of a sample; None where a sample is a call."""
        return self.stream if self.front is None else self.front.streamed(self.stream)

    def network(self, data: bytes | None = None) -> Network:
        """The model to be rewritten; or what something else made of it, with what is known of it.

        Args:
            data: The .tflite that was made of it; its own if None.
        """
        return replace(
            Network.unpack(self.data if data is None else data, self.source),
            learned_ranges=dict(self.learned_ranges),
            learned_scales=dict(self.learned_scales),
            integer_inputs=dict(self.integer_inputs),
        )

    def remade(self, network: Network) -> FloatModel:
        """The model that its network has become, which takes samples as it does."""
        made = packed(network, self.info, self.outputs)
        return replace(made, stream=self.stream, front=self.front)


def float_model(
    model: str | Path | Any,
    *,
    signature: str | None = None,
    trust: bool = False,
    split: bool = False,
    log: PassLog | None = None,
    head: str = "scores",
) -> FloatModel:
    """The float .tflite of a model that any of the frameworks saved, or of one in memory.

    Args:
        model: `.keras`, `.h5`, SavedModel folder, `.tflite`, `.onnx`, `.pt2`, `module:function`
            that returns a torch.nn.Module and example inputs, or a model of Keras 3 or tf_keras
            in memory.
        signature: Which signature of a SavedModel; the default one if None.
        trust: Whether code inside the file may run: Lambda layers, functions of a SavedModel's own.
        split: Whether an output that is joined of parts becomes an output for each.
        log: Where the passes that change something are noted.
        head: What its outputs give, one of `edgeq.conversion.passes.heads.HEADS`.

    Raises:
        EdgeqError: No such file, not a model, damaged, dynamic shapes, or a layer that cannot be
            converted.
    """
    more = (split_outputs,) if split else ()
    answer = with_head(head)
    if isinstance(model, str | Path) and _starts_as_tflite(Path(model)):
        # What others wrote into a .tflite need not be what its ops should have.
        with shaped_as("sound model", str(model)):
            network, info = _load(Path(model), signature, trust)
            network = answer(rewritten(network, (*FLOAT_PASSES, *more), log))
        own = None
    else:
        if isinstance(model, str | Path):
            network, info = _load(Path(model), signature, trust)
        else:
            model, info = _as_keras_3(model), None
            network = _from_memory(model)
        answers = network.answers
        rounds = any(network.kind(op) == "QUANTIZE" for op in network.ops)
        network = rewritten(keep_states(network), FLOAT_PASSES, log)
        own = None if answers is None else OwnAnswers(answers, network.pack(), rounds)
        network = answer(rewritten(network, more, log) if more else network)
    made = packed(network, info, outputs_of(head, outputs_by_loss(model)))
    _check_static(made.graph)
    return replace(made, own=own)


def streaming_models(
    model: str | Path | Any,
    axis: int,
    step: int,
    *,
    trust: bool = False,
    log: PassLog | None = None,
    head: str = "scores",
    split: bool = False,
) -> tuple[FloatModel, FloatModel]:
    """The float model of a Keras model of windows, and that of steps of such windows.

    Args:
        model: `.keras`, `.h5`, or a model of Keras 3 or tf_keras in memory.
        axis: Axis of time in its inputs; 1 is the first behind the batch.
        step: Frames that a call brings.
        trust, log, head, split: As in `float_model`; the log is of the model of steps.

    Raises:
        EdgeqError: Not a Keras model, or a layer cannot stream.
    """
    from edgeq.conversion.streaming.model import to_streaming

    outputs = outputs_of(head, outputs_by_loss(model))
    if isinstance(model, str | Path) and not is_keras_file(Path(model)):
        raise EdgeqError(
            "Only a Keras model can become one that streams.",
            str(model),
            "a .keras or .h5 file, or a keras.Model in Python",
        )
    model, where = in_memory(model, trust=trust)
    streaming = to_streaming(model, axis, step, where)
    whole = float_model(model, split=split, head=head)
    made = float_model(streaming.model, split=split, log=log, head=head)
    settling = made.network()
    settling.add_metadata(SETTLING, write_settling(streaming.form.calls - 1))
    made = packed(settling, made.info)
    return (
        replace(whole, source=where, outputs=outputs),
        replace(made, source=where, outputs=outputs, stream=streaming.form),
    )


def in_memory(model: str | Path | Any, *, trust: bool) -> tuple[Any, str]:
    """A model of Keras 3, and its name for messages.

    Args:
        model: `.keras`, `.h5`, or a model of Keras 3 or tf_keras in memory.
        trust: Whether code inside the file may run.

    Raises:
        EdgeqError: No such file, or not a sound Keras model.
    """
    from edgeq.conversion.sources.keras_models import load_keras

    if not isinstance(model, str | Path):
        return _as_keras_3(model), str(getattr(model, "name", "model"))
    if not Path(model).exists():
        raise EdgeqError(f"There is no '{model}'.")
    return load_keras(Path(model), trust=trust), str(model)


def packed(network: Network, info: ModelInfo | None, outputs: Outputs | None = None) -> FloatModel:
    """The float model that a network has become, for what reads it from here on."""
    data = network.pack()
    return FloatModel(
        data,
        network.source,
        parse_graph(data, network.source),
        info,
        network.learned_ranges,
        network.learned_scales,
        network.integer_inputs,
        outputs,
    )


def _as_keras_3(model: Any) -> Any:
    from edgeq.conversion.sources.tf_keras_models import from_tf_keras, is_tf_keras

    return from_tf_keras(model) if is_tf_keras(model) else model


def _from_memory(model: Any) -> Network:
    from edgeq.conversion.sources.keras_models import export_keras

    source = str(getattr(model, "name", "model"))
    return name_tensors(export_keras(model, source), source)


def _starts_as_tflite(path: Path) -> bool:
    try:
        with open_file(path, "model") as file:
            return file.read(8)[4:] == b"TFL3"
    except (OSError, EdgeqError):
        return False


def _imported(imported: Imported, source: str) -> Network:
    """The network of a model of another framework; it remembers how that one's axes lie."""
    from edgeq.conversion.sources.keras_models import export_keras
    from edgeq.conversion.sources.onnx.answers import file_answers

    exported = export_keras(imported.model, source, imported.silent)
    network = name_tensors(exported, source)
    network.answers = file_answers(imported, exported.output_names, exported.answers)
    axes = {network.name(index): order for index, order in zip(
        network.inputs, imported.inputs.values(), strict=True)}  # fmt: skip
    turned = {name: sample_axes(order) for name, order in axes.items() if len(order) > 1}
    turned = {name: order for name, order in turned.items() if order != tuple(sorted(order))}
    if turned:
        network.add_metadata(ENTRY, write_axes(turned))
    return network


def _other_framework(path: Path, trust: bool) -> Network | None:
    """The network of an ONNX or PyTorch file, by the name's ending; None for others."""
    if is_onnx_file(path):
        from edgeq.conversion.sources.onnx.contents import read_onnx
        from edgeq.conversion.sources.onnx.model import keras_model

        return _imported(keras_model(read_onnx(path)), str(path))
    if is_exported_program(path):
        from edgeq.conversion.sources.torch.models import from_program

        return _imported(from_program(path, trust=trust), str(path))
    if path.suffix.lower() in (".pt", ".pth"):
        raise EdgeqError(
            "A .pt file is a pickle: it runs code when it is opened, and holds no graph.",
            str(path),
            "torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2'), "
            "torch.onnx.export, or module:function that returns (model, inputs)",
        )
    return None


def _load(path: Path, signature: str | None, trust: bool) -> tuple[Network, ModelInfo | None]:
    """The network in a file, which ends whenever it is run, or is trusted to."""
    network, info = _read(path, signature, trust)
    if not trust and set(LOOPS) & set(op_kinds(network.model)):
        check_loops(parse_graph(network.pack(), str(path)), _TRUST_LOOPS)
    return network, info


def _read(path: Path, signature: str | None, trust: bool) -> tuple[Network, ModelInfo | None]:
    if is_function(path):
        from edgeq.conversion.sources.torch.models import from_function

        return _imported(from_function(str(path)), str(path)), None
    if not path.exists():
        raise EdgeqError(f"There is no '{path}'.")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise EdgeqError(
                "The folder holds no saved_model.pb, so it is no SavedModel.", str(path)
            )
        from edgeq.conversion.sources.saved_models import export_saved_model

        return name_tensors(export_saved_model(path, signature, trust=trust), str(path)), None
    try:
        with open_file(path, "model") as file:
            head = file.read(8)
    except OSError as error:
        raise EdgeqError(f"The model cannot be read: {error.strerror}.", str(path)) from None
    if head[4:8] == b"TFL3":
        from edgeq.conversion.sources.tflite_models import load_tflite

        return load_tflite(path)
    other = _other_framework(path, trust)
    if other is not None:
        return other, None
    if head[:4] == b"PK\x03\x04" or head == b"\x89HDF\r\n\x1a\n":
        from edgeq.conversion.sources.keras_models import export_keras, load_keras

        exported = export_keras(load_keras(path, trust=trust), str(path))
        return name_tensors(exported, str(path)), None
    raise EdgeqError(
        "This is no model that edgeq reads.",
        str(path),
        "a .keras or .h5 file, a SavedModel folder, .tflite, .onnx, .pt2 or module:function",
    )


def _check_static(graph: Graph) -> None:
    dynamic = [tensor for tensor in graph.main.tensors if tensor.dynamic_axes]
    if dynamic:
        listed = ", ".join(f'"{tensor.name}" {tensor.shape}' for tensor in dynamic[:3])
        raise EdgeqError(
            f"Shapes are left open in {len(dynamic)} tensors: {listed}.",
            graph.path,
            "give every axis a fixed size",
        )
