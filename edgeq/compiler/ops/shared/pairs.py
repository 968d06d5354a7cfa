"""ADD, SUB and MUL of int8 tensors for cores with forms of their own: fewer factors, same bytes.

The reference scales and rounds two or three times. What one factor per input and one rounding give
is compared with that for all 65536 pairs of int8 inputs; where no factors give the same bytes
everywhere, the layer takes another kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Constant, Node, ParamValue
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.factors import (
    FIRST,
    SECOND,
    SumFactors,
    paired_factors,
    product_factor,
    sum_factors,
    wanted_results,
)
from edgeq.compiler.ops.shared.lookup import Pairwise
from edgeq.compiler.ops.shared.steps import product_step

_EIGHTS_TURN = 32  # EQ_EIGHTS_TURN
# Of a product, dropped before it is added: SMLAWB drops 16 of an input with 8 more bits.
_LOW_BITS = {"dsp": 8, "host": 0}
_TOLD = ("shape.size", "factor1", "factor2", "constant")
_HALF_RANGE = 1 << 31
_LONG_ROW = 64
_MOST_LEFT = 13  # of a product of 17 bits
_MOST_SHIFT = 16  # EQ_SCALED_PRODUCT_EACH


def _takes_eights(node: Node, shape: Mapping[str, Any], clamp: dict[str, int]) -> bool:
    """Whether rows are worth the pass over eights, which knows no limits but int8's."""
    full = clamp == {"activation_min": -128, "activation_max": 127}
    long = shape["shape.size"][-1] >= 2 * _EIGHTS_TURN
    return _core(node) == "dsp" and full and long and node.optimize != "size"


def _core(node: Node) -> str:
    """The folder of the kernels."""
    return "host" if node.isa.has("host") else "dsp"


def _sides(node: Node) -> tuple[dict[str, Any], bool]:
    """The field `shape`, and whether inputs are swapped so that input 2 is the one spread.

    On hosts input 2 is a constant, too, if one is: it may be repeated.
    """
    shape: dict[str, Any] = dict(pair_shape(node))
    fixed = node.isa.has("host") and node.input(0).data is not None
    swapped = (shape["shape.step1"][-1] == 0 or fixed) and shape["shape.step2"][-1] != 0
    if swapped:
        shape["shape.step1"], shape["shape.step2"] = shape["shape.step2"], shape["shape.step1"]
    return shape, swapped


def _alike(params: Mapping[str, Any]) -> tuple[object, ...]:
    """Whether rows have a rest behind their eights, and whether there is one row."""
    *rows, size = params["shape.size"]
    return (size % _EIGHTS_TURN == 0, max(rows) == 1)


def _call(
    node: Node, header: str, params: Mapping[str, ParamValue], swapped: bool, core: str
) -> Call:
    order = (1, 0) if swapped else (0, 1)
    args = [Arg("input", position) for position in order]
    repeated = _repeated(node, params, order[1]) if core == "host" else None
    if repeated is not None:
        params, args[1] = {**params, **repeated[0]}, Arg("constant")
    return Call(
        header,
        f"eq_{header}_{core}_s8",
        f"eq_{header}_{core}_params",
        params,
        (*args, OUTPUT),
        (repeated[1],) if repeated is not None else (),
        overlaps=in_place(node, *(arg.index for arg in args if arg.kind == "input")),
        kernels=core,
        told=_TOLD if core == "dsp" else (),
        alike=_alike(params),
    )


def _repeated(
    node: Node, params: Mapping[str, Any], position: int
) -> tuple[dict[str, ParamValue], Constant] | None:
    """A constant that short rows read again and again, so often that the rows become long ones.

    Returns:
        The fields that change, and the constant; None where rows are long, or nothing repeats.
    """
    sizes, step1, step2 = (list(params[f"shape.{name}"]) for name in ("size", "step1", "step2"))
    rows, size = sizes[-2], sizes[-1]
    data = node.input(position).data
    again = step2[-2] == 0 and step2[-1] == 1 and step1[-2] == size and step1[-1] == 1
    if data is None or data.size != size or size >= _LONG_ROW or not again:
        return None
    times = next(n for n in range(min(rows, _LONG_ROW), 0, -1) if rows % n == 0)
    sizes[-2:], step1[-2] = [rows // times, times * size], times * size
    values = np.tile(data.reshape(-1), times)
    constant = Constant("repeated", "int8_t", values, f"input {position}, {times} times")
    return {"shape.size": sizes, "shape.step1": step1}, constant


def plain_factors(node: Node, compute: Pairwise) -> dict[str, int] | None:
    """factor1, factor2, constant and shift of one sum of two products; None if there are none.

    Args:
        compute: The reference's results, the zero point added, without limits.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    if not a.scale or not b.scale or not output.scale:
        return None
    ratios = (a.scale / output.scale, b.scale / output.scale)
    offsets = (a.zero_point, b.zero_point, output.zero_point)
    results = wanted_results(compute).tobytes()
    found = _finest(ratios, offsets, results, 0)
    if found is None:
        return None
    return {
        "factor1": found.one,
        "factor2": found.two,
        "constant": found.constant,
        "shift": found.bits,
    }


def _finest(
    ratios: tuple[float, float], offsets: tuple[int, int, int], results: bytes, low: int
) -> SumFactors | None:
    """Factors of as many bits as it takes and 32 bits hold; None if none were found."""
    tries = (sum_factors(ratios, offsets, results, low, more) for more in (0, 2, 1))
    return next((factors for factors in tries if factors is not None), None)


def lower_sum(node: Node, sign: int, compute: Pairwise, clamp: dict[str, int]) -> Call | None:
    """The kernel's call for a sum; None where it would not give the reference's bytes.

    Args:
        sign: Of input 2.
        compute: The reference's results, the zero point added, without limits.
        clamp: activation_min and activation_max.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    if not a.scale or not b.scale or not output.scale:
        return None
    ratios = (a.scale / output.scale, sign * b.scale / output.scale)
    offsets = (a.zero_point, b.zero_point, output.zero_point)
    core, results = _core(node), wanted_results(compute).tobytes()
    search = _finest if core == "host" else sum_factors
    found = search(ratios, offsets, results, _LOW_BITS[core])
    if found is None:
        return None
    shape, swapped = _sides(node)
    paired = paired_factors(found, results) if _takes_eights(node, shape, clamp) else None
    found = paired or found
    one, two = (found.two, found.one) if swapped else (found.one, found.two)
    factors = {"factor1": one, "factor2": two, "constant": found.constant, "shift": found.bits}
    if core == "dsp":
        factors["eights"] = int(paired is not None)
    return _call(node, "scaled_sum", {**shape, **factors, **clamp}, swapped, core)


def _two_roundings(
    multiplier: int, shift: int, products: NDArray[np.int64], zero_point: int
) -> dict[str, int] | None:
    """The fields for the reference's own arithmetic; None where it would not be exact."""
    right = -shift
    if multiplier < 1 << 30 or not 1 <= right <= _MOST_SHIFT:
        return None
    rounding = abs(2 * zero_point + 1) << (right - 1)
    if int(np.abs(products).max()) + 1 + rounding >= _HALF_RANGE:
        return None
    return {"shift": right, "factor": 2 * multiplier - (1 << 32), "narrow": 0}


def _stepped(
    multiplier: int, shift: int, products: NDArray[np.int64], wanted: NDArray[np.int64]
) -> dict[str, int] | None:
    """The fields for one multiplication by a factor and a step; None where none were found."""
    found = product_step(products, wanted, multiplier * 2.0 ** (shift - 31))
    if found is None:
        return None
    fields = {"shift": found.bits, "factor": found.pair, "narrow": 0}
    return {**fields, "constant": found.constant}


def lower_product(
    node: Node, scale: tuple[int, int], compute: Pairwise, clamp: dict[str, int]
) -> Call | None:
    """The DSP kernel's call for a product; None where it would not give the reference's bytes.

    Args:
        scale: Multiplier and shift (left) of the products.
        compute: The reference's results, the zero point added, without limits.
        clamp: activation_min and activation_max.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    products = (FIRST - a.zero_point) * (SECOND - b.zero_point)
    factor = product_factor(products, wanted_results(compute), output.zero_point)
    if factor is not None:
        raw = ((products * factor + (1 << 31)) >> 32) + output.zero_point + 128
        narrow = raw.min() >= -(1 << 15) and raw.max() < 1 << 15
        fields: dict[str, int] | None = {"shift": 0, "factor": factor, "narrow": int(narrow)}
    else:
        fields = _stepped(*scale, products, wanted_results(compute))
        fields = fields or _two_roundings(*scale, products, output.zero_point)
    if fields is None:
        return None
    shape, swapped = _sides(node)
    fits = fields["shift"] or fields["narrow"]
    eights = fits and _takes_eights(node, shape, clamp)
    sides = (b, a) if swapped else (a, b)
    params = {
        **shape,
        "input1_offset": -sides[0].zero_point,
        "input2_offset": -sides[1].zero_point,
        "output_offset": output.zero_point,
        "constant": 0,
        **fields,
        "eights": int(eights),
        **clamp,
    }
    return _call(node, "scaled_product", params, swapped, "dsp")


def _plain_product(node: Node) -> tuple[dict[str, Any], bool]:
    """The fields of a product in the reference's arithmetic but its scale; whether inputs swap."""
    shape, swapped = _sides(node)
    first, second = (node.input(position) for position in ((1, 0) if swapped else (0, 1)))
    offsets = {"input1_offset": -first.zero_point, "input2_offset": -second.zero_point}
    return {**shape, **offsets}, swapped


def host_product(node: Node, scale: tuple[int, int], clamp: dict[str, int]) -> Call | None:
    """The host kernel's call for a product, in the reference's own arithmetic.

    None for scales that no product of int8 values needs.

    Args:
        scale: Multiplier and shift (left) of the products.
        clamp: activation_min and activation_max.
    """
    multiplier, left = scale
    if not -31 <= left <= _MOST_LEFT:
        return None
    params, swapped = _plain_product(node)
    params |= {
        "multiplier": multiplier,
        "shift": -left,
        "limits": {"output_offset": node.output().zero_point, **clamp, "left": int(left >= 0)},
    }
    return _call(node, "scaled_product", params, swapped, "host")


def mve_product(node: Node, scale: tuple[int, int], clamp: dict[str, int]) -> Call | None:
    """The MVE kernel's call for a product; None where it does not suit.

    Shifts are to the right; int16 values have no zero points, and no narrower limits.

    Args:
        scale: Multiplier and shift (left) of the products.
        clamp: activation_min and activation_max.
    """
    multiplier, left = scale
    wide = node.output().dtype == "int16"
    zero_points = [node.input(0).zero_point, node.input(1).zero_point, node.output().zero_point]
    plain = not any(zero_points) and tuple(clamp.values()) == (-(1 << 15), (1 << 15) - 1)
    if not -31 <= left <= -1 or (wide and not plain):
        return None
    params, swapped = _plain_product(node)
    limits = {"output_offset": node.output().zero_point, "rectified": 0, **clamp}
    params |= {"multiplier": multiplier, "shift": left, "scale": limits}
    call = _call(node, "scaled_product", params, swapped, "mve")
    if not wide:
        return call
    return replace(call, header="scaled_product_s16", function="eq_scaled_product_mve_s16")
