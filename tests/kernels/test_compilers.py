"""What compilers get wrong, and how the C avoids it."""

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import check, random_case


def test_products_beyond_16_bits():
    """gcc 12 at -O3 took the high half of a product, up to 32,998 here, for a 16-bit number."""
    a = TensorSpec((1, 9, 1, 288), "int8", 0.0171103906, -106)
    b = TensorSpec((1, 1, 1, 288), "int8", 0.0022797477, -128)
    output = TensorSpec((1, 9, 1, 288), "int8", 0.0089902123, -105)
    (result,) = check([random_case("MUL", single_op("MUL", [a, b], [output], {}))])
    assert result.verdict == "same", result.detail
