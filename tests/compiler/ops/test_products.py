"""MUL of int8 on cores with the DSP extension: every pair of inputs, with and without ties."""

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.shared.steps import LEAST_BITS, MOST_BITS, product_step
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier
from tests.kernels.layers import side_by_side
from tests.oracle.build import TensorSpec, single_op

VALUES = np.arange(-128, 128)
ROWS, COLUMNS = np.repeat(VALUES, 256).reshape(256, 256).astype(np.int8), VALUES.astype(np.int8)


def table(ratio, zero_points):
    """All products, and the reference's results of them."""
    a, b, output = zero_points
    products = (VALUES[:, None] - a) * (VALUES[None, :] - b)
    raw = multiply_by_quantized_multiplier(products, *quantize_multiplier(ratio))
    return products, np.clip(raw + output, -128, 127)


def ratios(rng, zero_points, *, spanning):
    """Of results to products: of all magnitudes, or so that results span what products do."""
    if not spanning:
        return rng.uniform(2.0**14, 2.0**15) / 2.0 ** int(rng.integers(LEAST_BITS, MOST_BITS + 1))
    products, _ = table(1, zero_points)
    return rng.uniform(0.8, 2) * 127 / np.abs(products).max()


# So many of 48 layers have a step that gives all results; docs/kernels.md says so.
@pytest.mark.parametrize(("spanning", "have"), [(False, 32), (True, 23)])
def test_steps_give_the_references_results_of_all_pairs(spanning, have):
    rng, found = np.random.default_rng(0), 0
    for _ in range(48):
        zero_points = [int(each) for each in rng.integers(-25, 26, 3)]
        ratio = ratios(rng, zero_points, spanning=spanning)
        products, wanted = table(ratio, zero_points)
        step = product_step(products, wanted, ratio)
        if step is None:
            continue
        sums = step.sums(products)
        assert np.abs(sums).max() < 1 << 31
        np.testing.assert_array_equal(np.clip(sums >> step.bits, -128, 127), wanted)
        found += 1
    assert found == have


def test_no_step_where_products_do_not_fit_16_bits():
    assert product_step(*table(0.003, (-128, -128, 0)), 0.003) is None


def layer(ratio, zero_points, *, spread):
    """A product of every value with every value, in long rows."""
    a, b, output = zero_points
    tensors = [
        TensorSpec((256, 256), "int8", 1 / 16, a),
        TensorSpec((256, 1) if spread else (256,), "int8", 1 / 16, b),
    ]
    result = TensorSpec((256, 256), "int8", 1 / 256 / ratio, output)
    return single_op("MUL", tensors, [result], {"fused_activation_function": 0})


# A ratio that is a power of two has ties; its neighbours' are hidden by the first rounding.
RATIOS = (1 / 128, 0.0536, 0.0237, 0.0118, 0.0071, 0.00391, 0.0021)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [False, True])
def test_every_pair_gives_tflms_bytes(spread, tmp_path):
    path = tmp_path / "products.tflite"
    points = [(3, -7, -5), (0, 0, 0), (-20, 14, 9), (5, 5, -128), (-60, -70, 100)]
    models, kinds = [], set()
    for k, ratio in enumerate(RATIOS):
        models.append(layer(ratio, points[k % len(points)], spread=spread))
        path.write_bytes(models[-1])
        text = generate(path, target="cortex-m4").files["products.c"]
        shift = int(text.partition(".shift = ")[2].partition(",")[0])
        kinds.add("step" if shift > 16 else "two roundings")
    assert kinds == {"step", "two roundings"}
    path.write_bytes(side_by_side(models))
    first, second = (COLUMNS, ROWS[:, :1]) if spread else (ROWS, COLUMNS)
    inputs = [np.broadcast_to(first, (256, 256)), second] * len(models)
    inputs = [each[None].copy() for each in inputs]
    found = []
    for address in ("sim:cortex-m4", "tflm"):
        with open_device(address).open(path, CompileOptions()) as session:
            found.append(session.run(inputs))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
