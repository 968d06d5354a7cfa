"""Recordings through front end, model and decision on a host over SSH."""

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.analysis.profiling import profile
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


def test_front_ends_need_generated_c(server, tmp_path):
    path, options = passing(tmp_path), CompileOptions(frontend=front_end(EARS))
    with pytest.raises(UsageError, match="Front ends are for generated C, not litert"):
        open_device(f"{server.address}&runtime=litert").open(path, options)


def test_a_host_measures_front_end_and_model(server, tmp_path):
    path, described = passing(tmp_path), {**EARS, "stride": 3}
    options = CompileOptions(frontend=front_end(described))
    how = ProfileOptions(runs=20, warmup=2)
    found = profile(path, on=server.address, options=options, profile_options=how).measurement
    assert found.latency_us.n == 20
    assert found.output_sha256 is None
    here = profile(path, on="c", options=options, profile_options=how).measurement
    known = [(op.index, op.op, op.macs) for op in here.ops if op.op != "COPY"]
    assert [(op.index, op.op, op.macs) for op in found.ops if "COPY" not in op.op] == known
    for ops in (found.ops, here.ops):  # all that an answer takes, which is every third frame's
        took = {op.op: op.us for op in ops}
        assert took["FRONTEND_FFT"] > 0
        assert took["MAXIMUM"] > 0
