"""What a host does about a board and an agent that lie inside of sound frames."""

import base64
import json

import pytest

from edgeq.devices.remote.samples import Samples
from edgeq.errors import EdgeqError
from tests.foreign import talks
from tests.memory import peak_mb


def agent(tmp_path, **changes):
    talk = json.loads(talks.agent_talk()[0])
    for event, change in changes.items():
        talk[event] = {**talk[event], **change} if isinstance(change, dict) else change
    return talks.read_agent_talk(json.dumps(talk).encode(), tmp_path)


def test_an_honest_agent(tmp_path):
    profiled, outputs = agent(tmp_path)
    assert profiled.measurement.latency_us.p50 == 11.0
    assert [(op.index, op.op, op.share) for op in profiled.measurement.ops] == [
        (0, "Reshape + ADD", 1.0)
    ]
    assert outputs[0].tobytes() == b"abcdef"


LIES = {
    "too few samples": {"samples": {"us": [1.0, 2.0]}},
    "too many samples": {"samples": {"us": [1.0] * 9}},
    "negative times": {"samples": {"us": [1.0, -2.0, 3.0]}},
    "times beyond all measure": {"samples": {"us": [1.0, 1e19, 3.0]}},
    "calls that take no time": {"samples": {"us": [0.0, 0.0, 0.0]}},
    "more time than there was": {"samples": {"us": [1e12, 1e12, 1e12]}},
    "no numbers": {"samples": {"us": [1.0, "2", None]}},
    "negative first call": {"measured": {"first_us": -1.0}},
    "short outputs": {"measured": {"data": base64.b64encode(b"ab").decode()}},
    "outputs of one call for two": {"outputs": {"data": base64.b64encode(b"abc").decode()}},
    "no base64": {"outputs": {"data": "ab$"}},
    "another shape": {"loaded": {"output_shapes": [[1, 4]]}},
    "a thousand axes": {"loaded": {"output_shapes": [[1] * 1000]}},
    "a core that no machine has": {"loaded": {"affinity": [0, 10**12]}},
    "another delegate": {"loaded": {"delegate": "gpu"}},
    "ops without times": {"profiled": {"us": [[1.0]]}},
    "ops of uneven calls": {"profiled": {"us": [[1.0], [1.0, 2.0]]}},
    "an op of a huge number": {"profiled": {"index": [0, 10**15]}},
    "an op that is not there": {"profiled": {"index": [0, 1], "delegated": [False, False]}},
    "another command's answer": {"id": 7},
    "an earlier command's answer": {"id": -1},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_agent_that_lies(tmp_path, lie):
    with pytest.raises(EdgeqError) as caught:
        agent(tmp_path, **LIES[lie])
    assert len(str(caught.value)) < 1500


def test_a_clock_that_stands_still_is_named(tmp_path):
    with pytest.raises(EdgeqError, match=r"A call takes 0 us, says the device"):
        agent(tmp_path, samples={"us": [0, 0, 0]})
    with pytest.raises(EdgeqError, match=r"its calls took 3e\+06 s; they were asked for 0.0 s ago"):
        agent(tmp_path, samples={"us": [1e12] * 3})
    assert agent(tmp_path, samples={"us": [0, 0.05, 0.05]})[0].measurement.latency_us.min == 0


def test_a_flood_of_samples_stays_small():
    """More than one second may have, sent as fast as can be; 50 million took 2.7 GB."""
    samples = Samples("x")

    def flood():
        samples.begin(0, 1.0, 20.0)
        with pytest.raises(EdgeqError, match="sent more than 8,000,000 samples"):
            while True:
                samples.take(parcel)

    parcel = [0.0] * 1_000_000
    assert peak_mb(flood) < 150
    assert len(samples.thinned()[0]) <= 100_000


def test_a_hundred_thousand_ops_of_a_delegate_are_matched_in_time(tmp_path):
    count = 100_000
    rows = {"index": [0] * count, "op": ["Reshape"] * count, "us": [[1.0]] * count}
    profiled, _ = agent(tmp_path, profiled={**rows, "delegated": [True] * count})
    assert [len(op.op) < 1000 for op in profiled.measurement.ops] == [True]


def test_a_board_that_names_a_file_as_its_target_gets_none_read(tmp_path):
    (tmp_path / "x.toml").write_text("cpu = 1")
    talk = json.loads(talks.board_talk()[0])
    talk["HELLO"] = talk["HELLO"][:8] + list(str(tmp_path / "x.toml").encode())
    talks.read_board_talk(json.dumps(talk).encode(), tmp_path)


def test_a_board_with_more_ops_than_it_can_have(tmp_path):
    talk = json.loads(talks.board_talk()[0])
    talk["WATCH"] = [255, 255]
    with pytest.raises(EdgeqError, match="answer is damaged"):
        talks.read_board_talk(json.dumps(talk).encode(), tmp_path)
