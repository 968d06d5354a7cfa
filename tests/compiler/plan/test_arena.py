"""The memory planner keeps apart what is needed at the same time."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edgeq.compiler.plan.arena import Block, _fits, _search, _step_needs
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import assert_same, random_case

BLOCKS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=12
)


def made(rows):
    return [
        Block(key, 4 * size, first, first + length)
        for key, (size, first, length) in enumerate(rows)
    ]


@given(BLOCKS)
def test_blocks_that_live_together_lie_apart(rows):
    blocks = made(rows)
    bound = max(_step_needs(blocks, {}, 15))
    placed = _search(blocks, {}, bound, 50)
    assert max(p.end for p in placed) >= bound
    for one in placed:
        for other in placed:
            together = one.block.first <= other.block.last and other.block.first <= one.block.last
            if one is not other and together:
                assert one.end <= other.offset or other.end <= one.offset


@given(BLOCKS, st.integers(-20, 20), st.booleans())
def test_overlaps_are_kept(rows, distance, exact):
    blocks = made(rows)
    pairs = itertools.pairwise(blocks)
    overlaps = {(b.key, a.key): (4 * distance, exact) for a, b in pairs if a.last == b.first}
    placed = _search(blocks, overlaps, 0, 50)
    for one in placed:
        for other in placed:
            together = one.block.first <= other.block.last and other.block.first <= one.block.last
            if one is not other and together:
                assert _fits(one.block, one.offset, other, overlaps)


def test_an_output_may_lie_over_the_input_it_replaces():
    blocks = [Block(0, 100, 0, 1), Block(1, 100, 1, 2)]
    assert max(p.end for p in _search(blocks, {(1, 0): (0, True)}, 100, 50)) == 100
    assert max(p.end for p in _search(blocks, {(1, 0): (20, False)}, 120, 50)) == 120
    assert max(p.end for p in _search(blocks, {}, 200, 50)) == 200


def test_weights_that_are_the_image_are_not_written_over():
    """A model may look in an image for the image itself: its weights are the input's memory."""
    image = TensorSpec((1, 4, 4, 1), scale=0.5)
    shape = TensorSpec((4,), "int32", data=[1, 4, 4, 1])
    tensors = [image, shape, image, TensorSpec((1, 4, 4, 1), scale=40.0)]
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    ops = [OpSpec("RESHAPE", [0, 1], [2]), OpSpec("CONV_2D", [0, 2], [3], options)]
    assert_same([random_case("itself", build([SubgraphSpec(tensors, ops, [0], [3])]), calls=2)])
