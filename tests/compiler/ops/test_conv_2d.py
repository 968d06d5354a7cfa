"""Where the output of a convolution may lie over its input."""

from edgeq.compiler.ops.neural.conv_2d import overlap


def test_steps_of_several_pixels_end_with_each_image():
    geometry = {
        "batches": 2,
        "input_h": 1,
        "input_w": 10,
        "input_c": 1,
        "output_h": 1,
        "output_w": 10,
        "output_c": 3,
        "stride_h": 1,
        "stride_w": 1,
        "pad_top": 0,
        "pad_left": 0,
    }
    # Steps begin at pixels 0, 4, 8 of each image. The last but one of the second image ends with
    # output byte 3 * 18, and input byte 18 is still to be read.
    assert overlap(geometry, 4, buffered=True).distance == 3 * 18 - 18
