"""Front ends where `int` has 16 bits: an emulated ATmega2560 gives what this machine's C gives."""

import re
import shutil

import numpy as np
import pytest

from edgeq.boards.cpu import PORTABLE
from edgeq.compiler.compilation import generate
from edgeq.frontend.build import graph_of
from edgeq.frontend.description import read_description
from tests.compiler.codegen.avr import heard
from tests.frontend.signals import frames_of, recording
from tests.tools import need

SOUND = {"sample_rate": 8000, "frame_length": 100, "frame_step": 60}
MEL = {**SOUND, "num_mel_bins": 8, "lower_edge_hertz": 100.0, "upper_edge_hertz": 3800.0}
IMAGE = {"kind": "image", "width": 12, "height": 10, "out_width": 7, "out_height": 9}
MOTION = {"kind": "motion", "sample_rate": 50, "unit": 0.001, "frame_step": 4, "frame_length": 16}
FORMATS = ("rgb888", "bgr888", "rgb565", "rgb565-be", "gray8", "yuv422", "nv12")
RESIZES = ("nearest", "bilinear", "area")
FRONT_ENDS = {
    "log-mel": {**MEL, "kind": "log-mel", "log": "db", "pre_emphasis": 0.97},
    "mfcc": {**MEL, "kind": "mfcc", "num_mfccs": 5, "lifter": 22.0, "center": True},
    "spectrogram": {**SOUND, "kind": "spectrogram", "log": "none", "power": 1},
    "micro": {**MEL, "kind": "micro", "enable_pcan": True},
    "motion": {**MOTION, "axes": 3, "statistics": ["std", "skewness", "peaks", "zero_crossings"]},
    "motion in bands": {**MOTION, "axes": 2, "bands": [0.0, 8.0, 25.0], "log_power": True},
    **{
        f"image {kind}": {**IMAGE, "format": kind, "resize": RESIZES[number % len(RESIZES)]}
        for number, kind in enumerate(FORMATS)
    },
}
# A step at a time, so that a call makes one answer at most.
PUSH = """
    %(type)s few[%(step)d];
    for (uint32_t at = 0; at < %(count)dul; at += %(step)d) {
        for (uint16_t i = 0; i < %(step)d; i++) {
            few[i] = (%(type)s)%(read)s(in + at + i);
        }
        if (m_push(few, %(step)d) > 0) {
            dump(m_output(), %(bytes)d);
        }
    }
"""


def samples(description):
    """What a sensor gives, its extremes among it."""
    if description["kind"] != "image":
        return recording(2, seed=3)[4000:5200]
    return np.random.default_rng(1).integers(0, 256, 2 * 12 * 10 * 3, np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_a_chip_whose_int_has_16_bits_hears_and_sees_the_same(kind, tmp_path):
    for program in ("avr-gcc", "simavr"):
        need(shutil.which(program), program)
    description = FRONT_ENDS[kind]
    precision = "float32" if description["kind"] == "motion" else "int16"
    sources = generate(
        graph_of(read_description(description), precision), name="m", target=PORTABLE
    )
    header = sources.files["m.h"]
    (step,) = (int(found) for found in re.findall(r"M_ANSWER_STEP (\d+)", header)[:1])
    values = samples(description)
    values = values[: len(values) // step * step]
    sample = str(values.dtype) + "_t"
    arrays = (
        f"#include <avr/pgmspace.h>\nstatic const {sample} in[] PROGMEM = "
        f"{{{', '.join(map(str, values.tolist()))}}};\n"
    )
    (output,) = sources.manifest["outputs"]
    read = {"uint8_t": "pgm_read_byte", "int16_t": "pgm_read_word"}[sample]
    words = {
        "type": sample, "read": read, "step": step, "count": len(values), "bytes": output["bytes"],
    }  # fmt: skip
    answers = heard(sources, tmp_path, arrays, PUSH % words)
    assert answers is not None, "it does not fit"
    found = np.array([np.frombuffer(answer, output["dtype"]) for answer in answers])
    exact = frames_of(description, precision, values).reshape(len(found), -1)
    assert len(exact) > 1
    if precision == "float32":  # its library's last bits
        np.testing.assert_allclose(found, exact, 1e-3, 1e-4)
    else:
        np.testing.assert_array_equal(found * np.float32(output["scale"] or 1), exact)
