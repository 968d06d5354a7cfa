"""Peers that lie inside of sound frames: a board on a serial line, an agent on a host.

A conversation is JSON: what the peer answers to each question. Whatever is changed in it, the
host's own code, from the first question to the printed result, ends in a value or an EdgeqError.
"""

import base64
import json
import struct
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.errors import EdgeqError
from tests.foreign.readers import READERS, Reader, small_model

_RUNS = 3
_ANSWERS = {"load": "loaded", "run": "outputs", "measure": "measured", "ops": "profiled"}
_ROWS = 2
_OUTPUT_BYTES = 3


@cache
def _graph():
    from edgeq.model.model_file import parse_graph

    return parse_graph(small_model())


def board_talk() -> list[bytes]:
    """What firmware with the small model says, by the kind of request; None asks the port."""
    answers = {
        "HELLO": [*struct.pack("<BBBIB", 2, 1, 0, 1_000_000, 0), *b"qemu-microbit"],
        "MODEL": [*bytes.fromhex(_graph().sha256), *struct.pack("<BBBI", 1, 1, 0, 9), *b"m"],
        "WRITE": [], "RESET": [], "INVOKE": [*struct.pack("<I", 1000)],
        "STATS": [*struct.pack("<I", 64)], "WATCH": [1, 0], "OPS": [*struct.pack("<HI", 0, 10)],
        "TENSOR": None, "READ": None, "status": 0, "sequence": 0, "session": 0,
    }  # fmt: skip
    return [json.dumps(answers).encode()]


class Port:
    """A serial port with a board behind it that says what a script says."""

    def __init__(self, script):
        from edgeq.devices.serial.protocol import Splitter

        self._script, self._splitter, self._said = script, Splitter(), bytearray()
        self._left = 4000  # a line that is asked more than this is one that never ends

    @property
    def in_waiting(self):
        return len(self._said)

    def write(self, data):
        from edgeq.devices.serial.protocol import Frame, Request, decode, encode

        self._left -= 1
        if self._left < 0:
            raise AssertionError("the host asks for ever")
        for block in self._splitter.feed(data):
            frame = decode(block)
            name = Request(frame.type).name
            said = self._script.get(name)
            if said is None and name == "TENSOR":
                said = list(struct.pack("<I", _OUTPUT_BYTES if frame.body[1] else 4))
            elif said is None and name == "READ":
                said = [1] * frame.body[6]
            body = bytes([_byte(self._script.get("status"))]) + _bytes(said)
            sequence = (frame.sequence + _byte(self._script.get("sequence"))) & 0xFFFF
            session = (frame.session + _byte(self._script.get("session"))) & 0xFFFF
            self._said += encode(Frame(session, sequence, frame.type, body[:200]))

    def read(self, count):
        data = bytes(self._said[:count])
        del self._said[:count]
        return data

    def close(self):
        pass


def _byte(value) -> int:
    return value & 0xFF if isinstance(value, int) else 0


def _bytes(value) -> bytes:
    if isinstance(value, list):
        return bytes(_byte(each) for each in value)
    return str(value or "").encode("utf-8", "replace")


def read_board_talk(data: bytes, folder: Path) -> None:
    from edgeq.analysis.profiling import Measuring, profile_on
    from edgeq.devices.serial import link, session
    from edgeq.support.jsontext import json_text

    script = _script(data)
    model = folder / "m.tflite"
    model.write_bytes(small_model())
    with (
        mock.patch.object(link, "open_port", lambda *_: Port(script)),
        mock.patch.object(session, "_WORK_S", 0.02),
        mock.patch.multiple(link, _FIRST_S=0.005, _LEAST_S=0.005, _MOST_S=0.01),
    ):
        device = session.SerialDevice("serial:x", "x", 12_000_000, 0.02)
        json_text(profile_on(device, model, Measuring(ProfileOptions(runs=_RUNS))).to_json())


def agent_talk() -> list[bytes]:
    """What an agent with the small model says, by its event."""
    shapes = {"input_dtypes": ["int8"], "input_shapes": [[1, 4]],
              "output_dtypes": ["int8"], "output_shapes": [[1, 3]]}  # fmt: skip
    data = base64.b64encode(b"abc").decode()
    beat = {"monotonic_s": 1.0, "wall_s": 2.0, "texts": [
        "0.5 0.4 0.3 1/100 5", "cpu  1 2 3 4 5 6 7 8 9 10\n", "1800000", "1800000", "ondemand",
        "48000", "throttled=0x50000"]}  # fmt: skip
    talk = {
        "loaded": {"load_us": 9.5, "delegate": "asked", "affinity": [0, 1], **shapes},
        "outputs": {"data": base64.b64encode(b"abcdef").decode()},
        "plain": {"data": data},
        "samples": {"us": [10.0, 11.0, 12.0]},
        "measured": {"first_us": 1.0, "warmup": 3, "elapsed_s": 1.0, "cpu_s": 1.0,
                     "peak_rss_bytes": 1000, "data": data},
        "profiled": {"index": [0, 1], "op": ["Reshape", "ADD"], "us": [[1.0, 1.5], [2.0, 2.5]],
                     "delegated": [True, True]},
        "beat": beat, "id": 0,
    }  # fmt: skip
    failing = {**talk, "error": {"kind": "died", "signal": 11, "text": "gone"}}
    return [json.dumps(talk).encode(), json.dumps(failing).encode()]


class AgentsShell:
    """The agent's end of a connection."""

    def __init__(self, script):
        self._script, self._lines = script, []

    def send(self, do, **message):
        said = _ANSWERS.get(do)
        if said is None:
            return
        self._say("beat", message)
        if do == "measure":
            self._say("samples", message)
        if do == "run" and message["calls"] == 1:  # what the runtime says without a delegate
            said = "plain"
        self._say("error" if do == "run" and "error" in self._script else said, message)

    def _say(self, event, question):
        content = self._script.get(event, {})
        content = content if isinstance(content, dict) else {"value": content}
        if event == "loaded" and content.get("delegate") == "asked":
            content = {**content, "delegate": question["delegate"]}
        shift = self._script.get("id", 0)
        number = question["id"] + shift if isinstance(shift, int) else shift
        event = "outputs" if event == "plain" else event
        self._lines.append(json.dumps({"id": number, "event": event, **content}))

    def receive(self, end):
        """As `Shell.receive`; an agent that says nothing more is too slow."""
        from edgeq.devices.remote.shell import TooSlow
        from edgeq.support.foreign import parse_json

        if not self._lines:
            raise TooSlow("The device is too slow.", "x")
        message = parse_json(self._lines.pop(0), "x")
        if isinstance(message, dict) and isinstance(message.get("event"), str):
            return message
        raise EdgeqError("The device did not speak edgeq's protocol.", "x")

    def close(self):
        pass


def read_agent_talk(data: bytes, folder: Path):
    import numpy as np

    from edgeq.analysis.profiling import Measuring, profile_on
    from edgeq.devices.remote import agent
    from edgeq.devices.remote.artifacts import Artifact
    from edgeq.devices.remote.device import RemoteDevice
    from edgeq.devices.remote.options import RemoteOptions
    from edgeq.devices.remote.runtimes import Plan
    from edgeq.support.jsontext import json_text
    from tests.devices.remote.test_record import FACTS

    script = _script(data)
    model = folder / "m.tflite"
    model.write_bytes(small_model())
    file = Artifact(model, "0" * 64, ".tflite")
    plan = Plan("litert", "2.3.0", file, file, True)
    link = mock.Mock(identity="x")
    link.name = "x"  # as an argument, it would be the mock's own

    def start(*_):
        shell = AgentsShell(script)
        return agent.Agent(link, shell, FACTS, plan, file, RemoteOptions(), 0, {})

    device = RemoteDevice("ssh://x", lambda _: link, RemoteOptions())
    with (
        mock.patch.object(agent, "start", start),
        mock.patch.object(agent.memory, "forget", lambda *_: None),
        mock.patch("edgeq.devices.remote.session.cache_dir", lambda: folder),
    ):
        profiled = profile_on(device, model, Measuring(ProfileOptions(runs=_RUNS)))
        json_text(profiled.to_json())
        return profiled, _run(device, model, np.zeros((_ROWS, 1, 4), np.int8))


def _run(device, model, inputs):
    with device.open(model, CompileOptions()) as session:
        return session.run([inputs])


def _script(data: bytes) -> dict:
    from edgeq.support.foreign import parse_json

    script = parse_json(data, "the script")
    if not isinstance(script, dict):
        raise EdgeqError("no script")
    return script


REFERENCE = {
    "edgeq": "0", "model": {"path": "m.tflite", "sha256": "0"}, "samples": 40,
    "features": [
        {"name": "a", "edges": [-1.0, 0.5, 2.0], "shares": [0.0, 0.25, 0.75, 0.0], "worth": 3.5,
         "mean": 0.5},
        {"name": "b", "edges": [0.0], "shares": [0.5, 0.5], "worth": 1.0, "mean": 0.0},
    ],
    "saturation": 0.01, "saturation_deviation": 0.1, "class_mix": [0.5, 0.25, 0.25],
}  # fmt: skip


def read_reference_profile(data: bytes, folder: Path) -> None:
    """A reference of `drift`, as far as a check reads it."""
    from edgeq.analysis.drift.check import read_reference
    from edgeq.analysis.drift.stability import Histogram, compare

    path = folder / "reference.json"
    path.write_bytes(data)
    found = read_reference(path)
    for each in found["features"]:
        known = Histogram(tuple(each["edges"]), tuple(each["shares"]), each["worth"])
        size = round(min(found["samples"], 2048) * known.worth)
        compare(known.shares, size, known.count(np.zeros(4)), 4, 0.2, 4)
    mix = found["class_mix"]
    if mix:
        compare(mix, found["samples"], np.ones(len(mix)), 4, 0.2, 4)


READERS["reference"] = Reader(lambda: [json.dumps(REFERENCE).encode()], read_reference_profile)
READERS["talk of a board"] = Reader(board_talk, read_board_talk, 0.5)
READERS["talk of an agent"] = Reader(agent_talk, read_agent_talk)
