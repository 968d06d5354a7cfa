"""ADD, SUB and MUL of int8 tensors for cores with forms of their own: fewer factors, same bytes.

The reference scales and rounds two or three times. What one factor per input and one rounding give
is compared with that for all 65536 pairs of int8 inputs; where no factors give the same bytes
everywhere, the layer takes another kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Constant, Node, ParamValue
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.lookup import Pairwise
from edgeq.compiler.ops.shared.steps import product_step

_VALUES = np.arange(-128, 128, dtype=np.int64)
_FIRST, _SECOND = _VALUES[:, None], _VALUES[None, :]
_PAIRED_BITS = 16  # behind the point of sums whose high halves are put together, eq_eights_dsp.h
_PAIRED_TRIES = 100
_PAIRED_SPREAD = 8  # of a factor, in units of 2^-24, at the last try
_EIGHTS_TURN = 32  # EQ_EIGHTS_TURN
_MOST_BITS = 22  # behind the point of a sum, EQ_SATURATE_8_CASE
_FEWEST_BITS = 16
# Of a product, dropped before it is added: SMLAWB drops 16 of an input with 8 more bits.
_LOW_BITS = {"dsp": 8, "host": 0}
_HALF_RANGE = 1 << 31
_TURNS = 60
_LONG_ROW = 64
_MOST_LEFT = 13  # of a product of 17 bits
_MOST_SHIFT = 16  # EQ_SCALED_PRODUCT_EACH


def _nudges() -> Iterator[float]:
    """What factors are multiplied with, in the order in which they are tried.

    A little more than the exact factor brings halves away from zero, as the reference does.
    """
    yield 1.0
    for bits in (20, 18, 16, 22, 14):
        yield 1.0 + 2.0**-bits
        yield 1.0 - 2.0**-bits


@dataclass(frozen=True)
class _Factors:
    """factor1, factor2, constant and shift of eq_scaled_sum_dsp_params, or of the host's.

    `low` bits of each product are dropped before it is added.
    """

    one: int
    two: int
    constant: int
    bits: int
    low: int

    @classmethod
    def near(
        cls,
        ratios: tuple[float, float],
        nudge: float,
        offsets: tuple[int, int, int],
        bits: int,
        low: int,
    ) -> _Factors:
        one, two = (round(ratio * nudge * 2.0 ** (bits + low)) for ratio in ratios)
        zero = (offsets[2] << bits) + (1 << (bits - 1))
        return cls(one, two, zero - ((offsets[0] * one + offsets[1] * two) >> low), bits, low)

    def sums(self) -> NDArray[np.int64]:
        """What the kernel adds up, for all pairs of inputs."""
        first, second = (_FIRST * self.one) >> self.low, (_SECOND * self.two) >> self.low
        return self.constant + first + second

    def results(self) -> NDArray[np.int64]:
        """What the kernel gives, for all pairs of inputs."""
        return np.clip(self.sums() >> self.bits, -128, 127)

    def fit(self) -> bool:
        """Whether all that the kernel computes fits 32 bits."""
        largest = max(abs(self.one), abs(self.two), abs(self.constant))
        each = (max(abs(self.one), abs(self.two)) << 7) >> self.low
        return (
            largest < _HALF_RANGE
            and each + abs(self.constant) < _HALF_RANGE
            and (int(np.abs(self.sums()).max()) < _HALF_RANGE)
        )


@lru_cache(maxsize=64)
def _sum_factors(
    ratios: tuple[float, float],
    offsets: tuple[int, int, int],
    results: bytes,
    low: int,
    more: int = 0,
) -> _Factors | None:
    """Factors that give what is wanted for all pairs of inputs; None if none were found.

    Args:
        ratios: Of the inputs' scales to the output's, with their signs.
        offsets: Zero points of inputs and output.
        results: The int64 results, before the activation's limits, for all pairs.
        low: Bits of a product that are dropped.
        more: Bits behind the point beyond those that leave room for all inputs of any offsets.
    """
    wanted = np.frombuffer(results, np.int64).reshape(256, 256)
    reach = 256 * (abs(ratios[0]) + abs(ratios[1])) + 256
    bits = min(_MOST_BITS, 30 - math.ceil(math.log2(reach)) + more)
    if bits < _FEWEST_BITS:
        return None
    for nudge in _nudges():
        start = _Factors.near(ratios, nudge, offsets, bits, low)
        if not start.fit():
            return None
        # Each product is rounded down.
        for more in (1, 0, 2):
            tried = replace(start, constant=start.constant + more)
            if np.array_equal(tried.results(), wanted):
                return tried
    return _relaxed(_Factors.near(ratios, 1.0, offsets, bits, low), wanted)


@lru_cache(maxsize=64)
def _paired(found: _Factors, results: bytes) -> _Factors | None:
    """Factors of 16 bits behind the sums' point that give what `found` does; None if not found.

    Bits of a product below the point are dropped, which moves sums to either side of a rounding; so
    neighbours of the exact factors are tried.
    """
    wanted = np.frombuffer(results, np.int64).reshape(256, 256)
    room, unit = 1 << _PAIRED_BITS, 2.0 ** (_PAIRED_BITS - found.bits)
    low = np.where(wanted == -128, -_HALF_RANGE, wanted * room)
    high = np.where(wanted == 127, _HALF_RANGE, wanted * room + room - 1)
    random = np.random.default_rng(0)
    for spread in np.linspace(0, _PAIRED_SPREAD, _PAIRED_TRIES):
        one, two = (
            round(factor * unit + spread * random.normal()) for factor in (found.one, found.two)
        )
        plain = replace(found, one=one, two=two, constant=0, bits=_PAIRED_BITS)
        sums = plain.sums()
        least, most = int((low - sums).max()), int((high - sums).min())
        if least <= most:
            tried = replace(plain, constant=(least + most) // 2)
            # The kernel adds 128, to saturate to unsigned bytes.
            lifted = replace(tried, constant=tried.constant + 128 * room)
            return tried if tried.fit() and lifted.fit() else None
    return None


def _takes_eights(node: Node, shape: Mapping[str, Any], clamp: dict[str, int]) -> bool:
    """Whether rows are worth the pass over eights, which knows no limits but int8's."""
    full = clamp == {"activation_min": -128, "activation_max": 127}
    long = shape["shape.size"][-1] >= 2 * _EIGHTS_TURN
    return _core(node) == "dsp" and full and long and node.optimize != "size"


def _relaxed(start: _Factors, wanted: NDArray[np.int64]) -> _Factors | None:
    """Factors moved until no pair's sum lies on the wrong side of a rounding; None if they do not.

    Each turn moves them as little as the pair that is farthest off asks for.
    """
    one, two, constant = float(start.one), float(start.two), float(start.constant)
    room = 1 << start.bits
    low = np.where(wanted == -128, -_HALF_RANGE, wanted * room)
    high = np.where(wanted == 127, _HALF_RANGE, wanted * room + room - 1)
    for _ in range(_TURNS):
        tried = _Factors(round(one), round(two), round(constant), start.bits, start.low)
        if not tried.fit():
            return None
        sums = tried.sums()
        short, over = low - sums, sums - high
        if max(short.max(), over.max()) <= 0:
            return tried
        worst = int(np.argmax(np.maximum(short, over)))
        i, j = divmod(worst, 256)
        missing = float(short[i, j] + 1 if short[i, j] > 0 else -over[i, j] - 1)
        unit = float(1 << start.low)
        x, y, weight = float(_VALUES[i]) / unit, float(_VALUES[j]) / unit, 1.0
        step = missing / (x * x + y * y + weight)
        one, two, constant = one + step * x, two + step * y, constant + step * weight
    return None


def _product_factor(
    products: NDArray[np.int64], wanted: NDArray[np.int64], zero_point: int
) -> int | None:
    """A factor for which (product * factor + 2^31) >> 32 is what is wanted; None if there is none.

    Each product bounds it on both sides, but for results at the ends, which saturation hides.
    """
    free = np.int64(1 << 56)
    least = np.where(wanted == -128, -free, ((wanted - zero_point) << 32) - (1 << 31))
    most = np.where(wanted == 127, free, ((wanted - zero_point) << 32) + (1 << 31) - 1)
    if np.any((products == 0) & ((least > 0) | (most < 0))):
        return None
    divisor = np.where(products == 0, 1, np.abs(products))
    # A negative product turns the bounds around.
    low = np.where(products > 0, least, -most)
    high = np.where(products > 0, most, -least)
    live = products != 0
    from_ = int((-(-low // divisor))[live].max(initial=0))
    to = int((high // divisor)[live].min(initial=_HALF_RANGE - 1))
    factor = from_ + max(0, (min(to, _HALF_RANGE - 1) - from_) // 2)
    return factor if from_ <= factor <= to and factor < _HALF_RANGE else None


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


def _call(node: Node, header: str, params: Mapping[str, ParamValue], swapped: bool) -> Call:
    core = _core(node)
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


def _wanted(compute: Pairwise) -> NDArray[np.int64]:
    first, second = np.broadcast_arrays(_FIRST, _SECOND)
    return np.clip(compute(first, second), -128, 127)


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
    results = _wanted(compute).tobytes()
    tries = (_sum_factors(ratios, offsets, results, 0, more) for more in (0, 2, 1))
    found = next((factors for factors in tries if factors is not None), None)
    if found is None:
        return None
    return {
        "factor1": found.one,
        "factor2": found.two,
        "constant": found.constant,
        "shift": found.bits,
    }


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
    low = _LOW_BITS[_core(node)]
    results = _wanted(compute).tobytes()
    found = _sum_factors(ratios, offsets, results, low)
    if found is None:
        return None
    shape, swapped = _sides(node)
    paired = _paired(found, results) if _takes_eights(node, shape, clamp) else None
    found = paired or found
    one, two = (found.two, found.one) if swapped else (found.one, found.two)
    factors = {"factor1": one, "factor2": two, "constant": found.constant, "shift": found.bits}
    if _core(node) == "dsp":
        factors["eights"] = int(paired is not None)
    return _call(node, "scaled_sum", {**shape, **factors, **clamp}, swapped)


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
    products = (_FIRST - a.zero_point) * (_SECOND - b.zero_point)
    factor = _product_factor(products, _wanted(compute), output.zero_point)
    if factor is not None:
        raw = ((products * factor + (1 << 31)) >> 32) + output.zero_point + 128
        narrow = raw.min() >= -(1 << 15) and raw.max() < 1 << 15
        fields: dict[str, int] | None = {"shift": 0, "factor": factor, "narrow": int(narrow)}
    else:
        fields = _stepped(*scale, products, _wanted(compute))
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
    return _call(node, "scaled_product", params, swapped)


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
    shape, swapped = _sides(node)
    first, second = (node.input(position) for position in ((1, 0) if swapped else (0, 1)))
    params = {
        **shape,
        "input1_offset": -first.zero_point,
        "input2_offset": -second.zero_point,
        "multiplier": multiplier,
        "shift": -left,
        "limits": {"output_offset": node.output().zero_point, **clamp, "left": int(left >= 0)},
    }
    return _call(node, "scaled_product", params, swapped)
