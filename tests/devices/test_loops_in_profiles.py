"""An op inside of a loop has the time of all its turns, and is told apart from ops outside."""

import itertools

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.host_c import HostDevice
from edgeq.model.model_file import read_graph
from tests.devices.conftest import STEPS


@pytest.mark.slow
def test_all_turns_count(gru, monkeypatch):
    session = HostDevice("c").open(gru, CompileOptions())
    clock = itertools.count(step=1000)  # each look at it is a microsecond later
    monkeypatch.setattr("edgeq.devices.host_c.time.perf_counter_ns", lambda: next(clock))
    monkeypatch.setattr("edgeq.devices.host_c.measure_latency", lambda *_: (None, [1.0]))
    monkeypatch.setattr("edgeq.devices.host_c.disturbances", lambda _: ())
    ops = session.profile(ProfileOptions()).ops
    graph = read_graph(gru)
    inside = [op for op in ops if op.subgraph]
    own = [(op.subgraph, op.index) for op in ops if op.op != "COPY"]  # which the loop itself makes
    assert len(set(own)) == len(own)
    for op in inside:
        assert op.op in (graph.subgraphs[op.subgraph].ops[op.index].name, "COPY")
    product = [op for op in inside if op.op == "FULLY_CONNECTED"]
    assert product and all(op.us == STEPS for op in product)
    outside = [op for op in ops if not op.subgraph and op.op == "FULLY_CONNECTED"]
    assert [op.us for op in outside] == [1.0]
    assert sum(op.share for op in ops) == pytest.approx(1.0)
