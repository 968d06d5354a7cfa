"""The process that holds one model: loads it, runs it, times it, and is thrown away."""

from __future__ import annotations

import binascii
import os
import sys
import time
from typing import Any

from .wire import Lines, decode, send

_STEADY_WITHIN = 0.03  # two windows' medians differ by less: warm
_WARMUP_LIMIT_S = 3.0
_WARMUP_WINDOW_S = 0.1
_FEWEST_RUNS = 5
_SAMPLES_EVERY_S = 0.5


def serve(commands: int, answers: int) -> None:
    """Obey commands from one pipe, answer into another, until the first one ends."""
    # Libraries print on stdout; the protocol has its own descriptor, so that cannot mix.
    os.dup2(2, 1)
    _let_the_kernel_choose_us_first()
    model = None
    lines = Lines(commands)
    while not lines.ended:
        for line in lines.read():
            command = decode(line)
            try:
                if command["do"] == "load":
                    model = _load(command, answers)
                elif command["do"] == "run":
                    _run(model, command, answers)
                elif command["do"] == "measure":
                    _measure(model, command, answers)
                elif command["do"] == "ops":
                    _ops(model, command, answers)
            except MemoryError:
                send(answers, event="error", id=command["id"], kind="memory", text="out of memory")
            except Exception as error:  # noqa: BLE001  (whatever it is, the host wants to know)
                text = "%s: %s" % (type(error).__name__, error)
                send(answers, event="error", id=command["id"], kind=command["do"], text=text)


def _let_the_kernel_choose_us_first() -> None:
    """Out of memory should end this process, not the user's other work; and never outlive us."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        pass


def _load(command: dict[str, Any], answers: int) -> Any:
    if command.get("cpu"):
        _keep_to_cores([int(each) for each in str(command["cpu"]).split(",")])
    start = time.perf_counter()
    if command["runtime"] == "litert":
        from .litert import Model
    else:
        from .interpreter import Model  # type: ignore[assignment]
    model = Model(command)
    send(
        answers,
        event="loaded",
        id=command["id"],
        load_us=(time.perf_counter() - start) * 1e6,
        runtime_version=model.version,
        delegate=model.delegate,
        input_dtypes=[each.dtype for each in model.inputs],
        input_shapes=[each.shape for each in model.inputs],
        output_dtypes=[each.dtype for each in model.outputs],
        output_shapes=[each.shape for each in model.outputs],
        peak_rss_bytes=_peak_rss_bytes(),
        affinity=sorted(os.sched_getaffinity(0)),
    )
    return model


def _keep_to_cores(cores: list[int]) -> None:
    try:
        os.sched_setaffinity(0, cores)
        kept = os.sched_getaffinity(0)
    except OSError:
        kept = set()
    if kept != set(cores):
        raise ValueError("the process may not stay on cores " + ",".join(map(str, cores)))


def _feed(model: Any, data: bytes, start: int) -> int:
    for tensor in model.inputs:
        piece = data[start : start + tensor.size_bytes]
        if len(piece) != tensor.size_bytes:
            raise ValueError("input data is too short")
        model.write(tensor, piece)
        start += tensor.size_bytes
    return start


def _outputs(model: Any) -> bytes:
    return b"".join(model.read(tensor) for tensor in model.outputs)


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _run(model: Any, command: dict[str, Any], answers: int) -> None:
    data = binascii.a2b_base64(command["data"])
    position = 0
    out: list[bytes] = []
    for _ in range(command["calls"]):
        position = _feed(model, data, position)
        model.invoke()
        out.append(_outputs(model))
    send(answers, event="outputs", id=command["id"], data=_text(b"".join(out)))


def _timed(model: Any) -> float:
    start = time.perf_counter()
    model.invoke()
    return (time.perf_counter() - start) * 1e6


def _warm_up(model: Any, runs: int) -> int:
    """Calls made before the timed part: `runs`, or until two windows agree."""
    if runs >= 0:
        for _ in range(runs):
            model.invoke()
        return runs
    count = 0
    before = 0.0
    end = time.perf_counter() + _WARMUP_LIMIT_S
    while time.perf_counter() < end:
        window: list[float] = []
        window_end = time.perf_counter() + _WARMUP_WINDOW_S
        while len(window) < 3 or time.perf_counter() < window_end:
            window.append(_timed(model))
        count += len(window)
        median = sorted(window)[len(window) // 2]
        if abs(median - before) <= _STEADY_WITHIN * median:
            break
        before = median
    return count


def _measure(model: Any, command: dict[str, Any], answers: int) -> None:
    """The timed part: `runs` calls (0: any number) within `seconds` (-1: as long as they take).

    Samples leave in parcels.
    """
    _feed(model, binascii.a2b_base64(command["data"]), 0)
    cpu_before = time.process_time()  # between the same beats: what is not ours is others' work
    first_us = _timed(model)
    # Of the first call: a model that remembers gives others later.
    outputs = _outputs(model)
    warmup = _warm_up(model, command["warmup"])
    period = 1.0 / command["pace_hz"] if command["pace_hz"] else 0.0
    start = time.perf_counter()
    runs, seconds = command["runs"], command["seconds"]
    fewest = 1 if runs else _FEWEST_RUNS
    next_report = start + _SAMPLES_EVERY_S
    samples: list[float] = []
    done = 0
    while True:
        if period:
            time.sleep(max(0.0, start + done * period - time.perf_counter()))
        samples.append(_timed(model))
        done += 1
        now = time.perf_counter()
        in_time = seconds < 0 or now < start + seconds or done < fewest
        enough = not in_time or 0 < runs <= done
        if enough or now >= next_report:
            send(answers, event="samples", id=command["id"], us=samples)
            samples = []
            next_report = now + _SAMPLES_EVERY_S
        if enough:
            break
    send(
        answers,
        event="measured",
        id=command["id"],
        first_us=first_us,
        warmup=warmup,
        elapsed_s=time.perf_counter() - start,
        cpu_s=time.process_time() - cpu_before,
        peak_rss_bytes=_peak_rss_bytes(),
        data=_text(outputs),
    )


def _ops(model: Any, command: dict[str, Any], answers: int) -> None:
    _feed(model, binascii.a2b_base64(command["data"]), 0)
    for _ in range(min(3, command["runs"])):
        model.invoke()
    rows = model.op_times(command["runs"])
    send(
        answers,
        event="profiled",
        id=command["id"],
        index=[row[0] for row in rows],
        op=[row[1] for row in rows],
        delegated=[row[2] for row in rows],
        us=[row[3] for row in rows],
    )


def _peak_rss_bytes() -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit("this is started by the supervisor")
