"""The kind `micro` gives pymicro-features' values, frame for frame."""

import numpy as np
import pytest

from edgeq.frontend.micro import _log1p
from tests.frontend.signals import frames_of, installed, recording
from tests.tools import need


def micro_features(samples):
    """What the package makes of a recording, float32."""
    need(installed("pymicro_features"), "the package pymicro-features")
    from pymicro_features import MicroFrontend

    front, raw, at, frames = MicroFrontend(), samples.tobytes(), 0, []
    while at < len(raw):
        found = front.process_samples(raw[at : at + 320])
        at += 2 * found.samples_read
        if found.features:
            frames.append(found.features)
    return np.asarray(frames, np.float32)


@pytest.mark.slow
def test_a_minute_of_everything_is_equal_in_every_frame():
    sound = recording(60, seed=1)
    theirs = micro_features(sound)
    assert len(theirs) == 5998
    np.testing.assert_array_equal(frames_of("micro", "int16", sound), theirs)


def test_tables_do_not_depend_on_the_c_library():
    # Values of fdlibm's log1pf that are not the nearest float32.
    x = np.arange(0, 12, 0.0089285715, np.float32)
    ours = np.asarray([_log1p(value) for value in x])
    exact = np.log1p(x.astype(np.float64))
    assert np.abs(ours - exact).max() < 3e-7
    assert (ours != exact.astype(np.float32)).any()
