"""Runs models as generated C under sanitizers and on the oracle, many at a time, and compares.

A batch of cases becomes one C program, so a case costs milliseconds, not a compiler start.
"""

import itertools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.analysis.verification import random_inputs
from edgeq.compiler.compilation import Sources, generate
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.program import CONTRADICTION
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph

WARNINGS = (  # noqa: SIM905  (as one types it)
    "-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla "
    "-Wstrict-prototypes -Wmissing-prototypes -Wcast-align -Wcast-qual -Werror"
).split()
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# Sanitizers hide what an optimizer does, so all C also runs as users and as device `c` compile it.
BUILDS = {
    "checked": ["-g1", "-O1", *SANITIZERS],
    "plain": ["-O2"],
    "native": ["-O3", "-march=native"],
}
_CC = ["gcc", "-std=c99", *WARNINGS]
_CHUNK = 24
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, eq=False)
class Case:
    """A model and the inputs of the calls to make, in order.

    Attributes:
        name: What a failure is reported as.
        calls: Per call, one array per model input.
        oracle: "tflm" or "litert" (reference kernels), for what TFLM does not have.
        target: The kind of machine that the C is generated for; its kernels must run on this one.
        optimize: What the C is generated for.
        reset: The call before which both sides are reset.
        undefined: Outputs by (call, position) that the oracle leaves as they lie in memory.
    """

    name: str
    model: bytes
    calls: Sequence[Sequence[Any]]
    oracle: str = "tflm"
    target: str = "x86-64"
    optimize: str = "balanced"
    reset: int | None = None
    undefined: Collection[tuple[int, int]] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What came of a case.

    Attributes:
        verdict: "same"; "differs"; "refused" (by edgeq); "no oracle" (the oracle refuses);
            "crash" (a sanitizer's or the compiler's report, or an exception that is no EdgeqError).
        detail: The reason, or the first difference.
    """

    case: Case
    verdict: str
    detail: str = ""
    outputs: Any = field(default=None, repr=False)
    expected: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.case.name}: {self.verdict}: {self.detail}"


def random_case(name: str, model: bytes, calls: int = 3, seed: int = 0, **options: Any) -> Case:
    """A case with all-minimum, all-maximum and random inputs."""
    arrays = random_inputs(parse_graph(model).main, calls, seed)
    count = calls + 2 if arrays else 1
    return Case(name, model, [[array[i] for array in arrays] for i in range(count)], **options)


def check(cases: Iterable[Case]) -> Iterator[Result]:
    """The result of every case, in order."""
    waiting = iter(cases)
    with Oracle() as oracle, ThreadPoolExecutor(1) as pool:
        while chunk := list(itertools.islice(waiting, _CHUNK)):
            computed = pool.submit(run_c, chunk)
            expected = [oracle.run(case) for case in chunk]
            for case, ours, theirs in zip(chunk, computed.result(), expected, strict=True):
                yield _compare(case, ours, theirs)


def assert_same(cases: Iterable[Case], *, may_refuse: bool = False) -> None:
    """Fail with every case whose bytes are not the oracle's.

    Args:
        may_refuse: Whether edgeq may refuse what the oracle refuses as well.
    """
    allowed = {"same", "both refuse"} if may_refuse else {"same"}
    bad = [str(result) for result in check(cases) if result.verdict not in allowed]
    assert not bad, f"{len(bad)} cases fail:\n" + "\n".join(bad[:20])


def _compare(case: Case, ours: Any, theirs: Any) -> Result:
    verdict, outputs = ours
    expected, reason = theirs
    if verdict == "crash":
        return Result(case, "crash", outputs)
    if verdict == "refused":
        if expected is None:
            return Result(case, "both refuse", f"{outputs} | {reason}")
        return Result(case, "refused", outputs)
    if expected is None:
        return Result(case, "no oracle", reason)
    for number, (a, b) in enumerate(zip(outputs, expected, strict=True)):
        for position, (x, y) in enumerate(zip(a, b, strict=True)):
            y = np.ascontiguousarray(y)
            if (number, position) in case.undefined:
                continue
            if not same_values(x, y, case.oracle):
                detail = _difference(x, y)
                return Result(
                    case, "differs", f"call {number} output {position}: {detail}", outputs, expected
                )
    return Result(case, "same", "", outputs, expected)


def same_values(ours: bytes, theirs: Any, oracle: str) -> bool:
    """Equal bytes; LiteRT's floats, whose sums have another order, may differ by 1e-5, and by
    1e-6 of the tensor's largest value.
    """
    if ours == _one_nan(theirs.tobytes(), theirs.dtype.name):
        return True
    if oracle == "tflm" or theirs.dtype != np.float32 or len(ours) != theirs.nbytes:
        return False
    mine = np.frombuffer(ours, np.float32).reshape(theirs.shape)
    finite = theirs[np.isfinite(theirs)]
    near = 1e-6 * float(np.abs(finite).max(initial=0))
    return np.allclose(mine, theirs, rtol=1e-5, atol=near, equal_nan=True)


def _one_nan(raw: bytes, dtype: str) -> bytes:
    """The bytes with every NaN as one and the same: its sign and payload are up to the compiler."""
    if dtype != "float32":
        return raw
    values = np.frombuffer(raw, np.float32).copy()
    values[np.isnan(values)] = np.nan
    return values.tobytes()


def _difference(ours: bytes, theirs: Any) -> str:
    if len(ours) != theirs.nbytes:
        return f"{len(ours)} bytes against {theirs.nbytes}"
    mine = np.frombuffer(ours, theirs.dtype).reshape(theirs.shape)
    bad = np.flatnonzero(np.frombuffer(ours, "u1") != theirs.reshape(-1).view("u1"))
    index = int(bad[0]) // theirs.itemsize
    flat = mine.reshape(-1), theirs.reshape(-1)
    where = np.unravel_index(index, theirs.shape)
    count = len(np.unique(bad // theirs.itemsize))
    place = tuple(int(i) for i in where)
    return f"{count} of {theirs.size}, first at {place}: {flat[0][index]} not {flat[1][index]}"


class Oracle:
    """The oracle's process, started again when a model kills it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, case: Case) -> tuple[Any, str]:
        """Outputs of every call, or None and the reason."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.oracle.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
            )
        try:
            calls = [list(inputs) for inputs in case.calls]
            self._process.stdin.write(pickle.dumps((case.oracle, case.model, calls, case.reset)))
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.close()
            return None, "the oracle crashed"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_c(cases: Sequence[Case], seconds: float = 60) -> list[tuple[str, Any]]:
    """("ran", outputs), ("refused", reason) or ("crash", report) per case."""
    folder = Path(tempfile.mkdtemp(prefix="edgeq-oracle-"))
    try:
        results: dict[int, tuple[str, Any]] = {}
        sources: dict[int, Sources] = {}
        for number, case in enumerate(cases):
            (folder / "model.tflite").write_bytes(case.model)
            try:
                sources[number] = generate(
                    folder / "model.tflite",
                    name=f"c{number}",
                    target=case.target,
                    options=CompileOptions(case.optimize),
                )
            except EdgeqError as error:
                # Generators make models whose tensors fit each other.
                hidden = CONTRADICTION in str(error)
                results[number] = ("crash" if hidden else "refused", str(error))
            except Exception as error:  # noqa: BLE001  (any other exception is a finding)
                results[number] = ("crash", f"{type(error).__name__}: {error}")
        jobs = {n: (cases[n], sources[n]) for n in sources}
        results |= _build_and_run(folder, jobs, seconds)
        return [results[number] for number in range(len(cases))]
    finally:
        shutil.rmtree(folder)


def _build_and_run(
    folder: Path, jobs: dict[int, tuple[Case, Sources]], seconds: float
) -> dict[int, tuple[str, Any]]:
    if not jobs:
        return {}
    report = _compile(folder, jobs)
    if not report:
        return {number: _run_all(folder, number, *job, seconds) for number, job in jobs.items()}
    if len(jobs) == 1:
        return dict.fromkeys(jobs, ("crash", report))
    half = len(jobs) // 2
    items = list(jobs.items())
    first, second = dict(items[:half]), dict(items[half:])
    return _build_and_run(folder, first, seconds) | _build_and_run(folder, second, seconds)


def _compile(folder: Path, jobs: dict[int, tuple[Case, Sources]]) -> str:
    """Make a program of every build in `folder`; the compiler's report if that fails."""
    unit = ["#include <stdint.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    table = []
    for number, (case, sources) in jobs.items():
        for name, text in sources.files.items():
            (folder / name).write_text(text)
        for name in sources.files:
            if name.endswith(".c"):
                unit += [f'#include "{name}"', "#undef EQ_AT", "#undef EQ_OP", "#undef EQ_STATE"]
        unit += _call_function(f"c{number}", sources)
        has_reset = any(f"void c{number}_reset(void)" in text for text in sources.files.values())
        reset = f"if (i == {case.reset}) c{number}_reset(); " if has_reset else ""
        reset = reset if case.reset is not None else ""
        table.append(f"        case {number}: {reset}call_c{number}(in, out); break;")
    unit += [_MAIN % "\n".join(table)]
    (folder / "run.c").write_text("\n".join(unit))
    for build, flags in BUILDS.items():
        command = [*_CC, *flags, "run.c", "-o", build, "-lm"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return "\n".join(done.stderr.splitlines()[:12])
    return ""


def _call_function(name: str, sources: Sources) -> list[str]:
    lines = [f"static void call_{name}(FILE *in, FILE *out)", "{"]
    ends = [("", "input"), ("const ", "output")]
    for (_, kind), verb in zip(ends, ("read", "write"), strict=True):
        if kind == "output":
            lines.append(f"    {name}_invoke();")
        for k, entry in enumerate(sources.manifest[f"{kind}s"]):
            accessor = f"{name}_{kind}" + (f"_{k}" if k else "")
            stream = "in" if kind == "input" else "out"
            if entry["bytes"]:
                lines.append(
                    f"    if (f{verb}({accessor}(), {entry['bytes']}, 1, {stream}) != 1) abort();"
                )
    return [*lines, "    (void)in;", "    (void)out;", "}"]


_MAIN = """
int main(int argc, char **argv)
{
    const int number = argc > 1 ? atoi(argv[1]) : 0;
    const long calls = argc > 2 ? atol(argv[2]) : 0;
    FILE *in = stdin;
    FILE *out = stdout;
    for (long i = 0; i < calls; i++) {
        switch (number) {
%s
        default: abort();
        }
    }
    return 0;
}
"""


def _run_all(
    folder: Path, number: int, case: Case, sources: Sources, seconds: float
) -> tuple[str, Any]:
    """What the sanitized build gives, if the others give the same."""
    found = {b: _run_one(folder / b, number, case, sources, seconds) for b in BUILDS}
    checked = found["checked"]
    for build, result in found.items():
        if checked[0] == "ran" and checked != result:
            return "crash", f"gcc {' '.join(BUILDS[build])} gives other bytes: {result[0]}"
    return checked


def _run_one(
    program: Path, number: int, case: Case, sources: Sources, seconds: float
) -> tuple[str, Any]:
    data = b"".join(
        np.ascontiguousarray(value).tobytes() for inputs in case.calls for value in inputs
    )
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "silence=0"}
    try:
        done = subprocess.run(
            [program, str(number), str(len(case.calls))],
            input=data,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return "crash", f"the generated C did not end within {seconds} s"
    if done.returncode:
        return "crash", "\n".join(done.stderr.decode(errors="replace").splitlines()[:12])
    results, position = [], 0
    for _ in case.calls:
        results.append([])
        for entry in sources.manifest["outputs"]:
            raw = done.stdout[position : position + entry["bytes"]]
            results[-1].append(_one_nan(raw, entry["dtype"]))
            position += entry["bytes"]
    return "ran", results
