"""Recordings through front end, model and decision on a host over SSH."""

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from edgeq.frontend.build import front_end
from tests.devices.test_replay import EARS, hear, passing
from tests.frontend.signals import recording


def test_a_host_decides_what_this_machine_decides(server, tmp_path):
    path, front, sound = passing(tmp_path), front_end(EARS), recording(60, seed=2)
    here = hear("c", path, front, sound)
    there = hear(server.address, path, front, sound)
    assert len(here.events) > 10
    assert there.events == here.events
    np.testing.assert_array_equal(there.answers[0], here.answers[0])
    answers = run(path, inputs=sound, on=server.address, options=CompileOptions(frontend=front))
    np.testing.assert_array_equal(answers[0], here.answers[0][:, 0])


def test_what_a_host_does_not_do(server, tmp_path):
    path, options = passing(tmp_path), CompileOptions(frontend=front_end(EARS))
    with pytest.raises(UsageError, match="Front ends are for generated C, not litert"):
        open_device(f"{server.address}&runtime=litert").open(path, options)
    with (
        open_device(server.address).open(path, options) as session,
        pytest.raises(UsageError, match="not profiled on this device"),
    ):
        session.profile(ProfileOptions())
