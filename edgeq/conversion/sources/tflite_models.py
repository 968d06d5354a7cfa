"""Float .tflite files that others made: checked, unique names, batch 1 for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq.conversion.flatbuffer import indices, set_signature
from edgeq.conversion.network import Network
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.model.tflite.metadata import ENTRY, ModelInfo, read_info

_QUANTIZED = frozenset({"int8", "uint8", "int16", "int4"})


def load_tflite(path: Path) -> tuple[Network, ModelInfo | None]:
    """A float .tflite with unique tensor names, a signature, and static shapes; and its metadata.

    The metadata is taken out of the file, because the label files behind it would not survive
    the changes; the conversion puts it back.

    Raises:
        EdgeqError: Damaged, quantized already, with open axes other than the batch, several
            signatures, or variables of the runtime.
    """
    graph = read_graph(path)
    _check_float(graph)
    _check_whole(graph)
    whole = path.read_bytes()
    info = read_info(graph.metadata[ENTRY], whole) if ENTRY in graph.metadata else None
    network = Network.unpack(whole, str(path))
    model = network.model
    model.metadata = [m for m in model.metadata or [] if m.name != ENTRY.encode()]
    for subgraph in model.subgraphs:
        _make_names_unique(subgraph)
        for tensor in subgraph.tensors:
            tensor.shapeSignature = None
    main = model.subgraphs[0]
    set_signature(
        model,
        [main.tensors[i].name.decode() for i in indices(main.inputs)],
        [main.tensors[i].name.decode() for i in indices(main.outputs)],
    )
    return network, info


def _check_float(graph: Graph) -> None:
    main = graph.main
    quantized = [t for t in main.tensors if t.dtype in _QUANTIZED and t.quantization is not None]
    if quantized:
        raise EdgeqError(
            f'The model is quantized already (tensor "{quantized[0].name}" is '
            f"{quantized[0].dtype}); a float model is needed.",
            graph.path,
            "convert from the Keras model or the float .tflite",
        )
    open_axes = [
        tensor
        for tensor in (main.tensors[index] for index in main.inputs)
        if set(tensor.dynamic_axes) - {0}
    ]
    if open_axes:
        listed = ", ".join(f'"{t.name}" (axes {list(t.dynamic_axes)})' for t in open_axes)
        raise EdgeqError(
            f"Inputs have open axes: {listed}.", graph.path, "export it with a fixed input shape"
        )


def _check_whole(graph: Graph) -> None:
    """Refuse what would be lost: entries beside the first, and ops that act and give nothing."""
    if len({signature.subgraph for signature in graph.signatures}) > 1:
        names = ", ".join(f'"{signature.key}"' for signature in graph.signatures)
        raise EdgeqError(
            f"It has several signatures ({names}); a model with one is converted.",
            graph.path,
            "convert the SavedModel that it was made of, with --signature",
        )
    for op in (op for subgraph in graph.subgraphs for op in subgraph.ops if not op.outputs):
        raise EdgeqError(
            f"It keeps values in variables of the runtime ({op.custom_name or op.name}); such a "
            "model is not converted.",
            graph.path,
            "export it without state; edgeq convert --stream makes a model of windows one of steps",
        )


def _make_names_unique(subgraph: Any) -> None:
    taken: set[bytes] = set()
    for index, tensor in enumerate(subgraph.tensors):
        name = (tensor.name or b"tensor_%d" % index).decode("utf-8", "replace").encode()
        if name in taken:
            name = b"%s_%d" % (name, index)
        taken.add(name)
        tensor.name = name
