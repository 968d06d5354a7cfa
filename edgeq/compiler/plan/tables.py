"""Look-ups of int8 values that a model says in three ops become one.

`CAST` to int32, `ADD` of 128 and `GATHER` from 256 values is how a .tflite looks each int8 value up
in a table. As three kernels it needs a number of four bytes for every byte; as one it needs none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from edgeq.compiler.plan.flatten import Flat
from edgeq.model.graph import Op, Tensor

_VALUES = 256
_OFFSET = 128


def join_tables(flat: Flat) -> Flat:
    """The model with a GATHER by int8 values in place of each such look-up.

    Its option `index_offset` says what is added to a value to give its place in the table. The ops
    before it stay; nothing reads them any more unless something else did.
    """
    tensors = flat.subgraph.tensors
    ops = [item for item in flat.items if isinstance(item, Op)]
    writes = Counter(index for op in ops for index in op.outputs)
    makers = {op.outputs[0]: op for op in ops if len(op.outputs) == 1}
    items = [
        _joined(item, makers, writes, tensors) if isinstance(item, Op) else item
        for item in flat.items
    ]
    return replace(flat, items=tuple(items))


def _joined(op: Op, makers: dict[int, Op], writes: Counter[int], tensors: Sequence[Tensor]) -> Op:
    """A GATHER that reads the int8 values themselves; any other op as it is."""
    if op.name != "GATHER" or len(op.inputs) != 2 or op.options["axis"] or op.options["batch_dims"]:
        return op
    add = makers.get(op.inputs[1])
    cast = makers.get(add.inputs[0]) if add is not None and add.name == "ADD" else None
    if add is None or cast is None or cast.name != "CAST":
        return op
    table, first, source = tensors[op.inputs[0]], tensors[add.inputs[1]], tensors[cast.inputs[0]]
    fits = (
        table.data is not None
        and table.dtype == "int8"
        and table.shape == (_VALUES,)
        and first.data is not None
        and first.dtype == "int32"
        and first.elements == 1
        and int(first.data.reshape(-1)[0]) == _OFFSET
        and not add.options["fused_activation_function"]
        and source.dtype == "int8"
        and source.elements == tensors[op.outputs[0]].elements
    )
    # A variable, or a tensor of a loop, may hold something else by then.
    between = (*cast.inputs, *cast.outputs, *add.outputs)
    steady = all(writes[index] <= 1 and not tensors[index].is_variable for index in between)
    if not fits or not steady:
        return op
    options = {**op.options, "index_offset": _OFFSET}
    return replace(op, inputs=(op.inputs[0], cast.inputs[0]), options=options)
