"""Recordings through front end, model and decision on a host over SSH."""

import re

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.analysis.profiling import profile
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from edgeq.frontend.build import front_end
from tests.analysis.evaluation.test_recordings import EVALUATE, place  # noqa: F401  (a fixture)
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
    for other in ("litert", "benchmark_model"):
        with pytest.raises(UsageError, match=f"Front ends are for generated C, not {other}"):
            open_device(f"{server.address}&runtime={other}").open(path, options)


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


def test_recordings_with_a_runtime_of_the_device(server, place, cli):  # noqa: F811
    """Front ends run in generated C: that is named, alone or beside what cannot."""
    here = cli(*EVALUATE, "--json").json
    for words, address in (
        (("--on", server.address, "--runtime", "c"), f"{server.address}&runtime=c"),
        (("--on", f"{server.address}&runtime=c"), f"{server.address}&runtime=c"),
    ):
        found = cli(*EVALUATE, *words, "--json").json
        assert found["device"] == {"address": address}
        assert found["found"] == 3
        assert {**found, "device": None} == {**here, "device": None}
    both = cli(*EVALUATE, "--on", server.address, "--runtime", "c,litert", "--json")
    assert both.code == 1
    assert "Front ends are for generated C, not litert" in both.json["failed"]["litert"]
    assert both.json["runtimes"] == {"c": found}
    (place / "both.json").write_text(both.out)
    assert cli("report", "both.json", "-o", "page.html").code == 0
    page = (place / "page.html").read_text()
    shown = re.findall(r"<td>(event f1|found)</td>\s*<td[^>]*>([0-9.]+)<", page)
    assert dict(shown) == {"event f1": "0.7500", "found": "3"}
    assert "Front ends are for generated C, not litert" in page
    shown = cli(*EVALUATE, "--on", server.address, "--runtime", "c,litert")
    assert shown.code == 1
    assert "litert failed: Front ends are for generated C" in " ".join(shown.out.split())
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["event", "f1", "0.7500"] in rows
    assert ["found", "3"] in rows
    alone = cli(*EVALUATE, "--on", server.address, "--runtime", "litert")
    assert alone.code == 2
    assert "Front ends are for generated C, not litert" in " ".join(alone.err.split())
    here = cli(*EVALUATE, "--on", "c", "--runtime", "c,litert")
    assert here.code == 2
    assert "no meaning on c" in " ".join(here.err.split())
