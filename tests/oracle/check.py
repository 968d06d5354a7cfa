"""Runs models as generated C under sanitizers and on the oracle, many at a time, and compares.

A batch of cases becomes one C program, so a case costs milliseconds, not a compiler start.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.analysis.verification import random_inputs
from edgeq.compiler.compilation import Sources, generate
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.program import CONTRADICTION
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.oracle.process import Oracle

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
CHUNK = 24


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
        isa: The level of a host's instruction set that the C is generated for.
    """

    name: str
    model: bytes
    calls: Sequence[Sequence[Any]]
    oracle: str = "tflm"
    target: str = "x86-64"
    optimize: str = "balanced"
    reset: int | None = None
    undefined: Collection[tuple[int, int]] = ()
    isa: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """What came of a case.

    Attributes:
        verdict: "same"; "differs"; "refused" (by edgeq); "no oracle" (the oracle refuses);
            "crash" (a sanitizer's or the compiler's report, or an exception that is no EdgeqError).
        detail: The reason, or the first difference.
        kernels: The functions that the C calls.
    """

    case: Case
    verdict: str
    detail: str = ""
    outputs: Any = field(default=None, repr=False)
    expected: Any = field(default=None, repr=False)
    kernels: tuple[str, ...] = ()

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
    with Oracle() as oracle:
        while chunk := list(itertools.islice(waiting, CHUNK)):
            yield from check_together(chunk, oracle)


def check_together(
    cases: Sequence[Case],
    oracle: Oracle,
    levels: Sequence[str] = ("",),
    builds: Mapping[str, Sequence[str]] = BUILDS,
) -> Iterator[Result]:
    """The results of cases that make up one program: all at the first level, then at the next.

    Args:
        oracle: Is asked once per case, while the first program is built.
        levels: Of a host's instruction set.
        builds: Options for the compiler by name; each build gives the bytes of the first.
    """
    with ThreadPoolExecutor(1) as pool:
        computed = [pool.submit(_run_c, cases, 60, isa, builds) for isa in levels]
        expected = [oracle.run(case) for case in cases]
        for isa, level in zip(levels, computed, strict=True):
            for case, (verdict, outputs, kernels), theirs in zip(
                cases, level.result(), expected, strict=True
            ):
                known = replace(case, isa=isa) if isa else case
                yield replace(_compare(known, (verdict, outputs), theirs), kernels=kernels)


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


def run_c(cases: Sequence[Case], seconds: float = 60) -> list[tuple[str, Any]]:
    """("ran", outputs), ("refused", reason) or ("crash", report) per case."""
    return [(verdict, outputs) for verdict, outputs, _ in _run_c(cases, seconds, "", BUILDS)]


def _run_c(
    cases: Sequence[Case], seconds: float, isa: str, builds: Mapping[str, Sequence[str]]
) -> list[tuple[str, Any, tuple[str, ...]]]:
    """What `run_c` gives, and the functions that are called."""
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
                    options=CompileOptions(case.optimize, isa=isa or case.isa),
                )
            except EdgeqError as error:
                # Generators make models whose tensors fit each other.
                hidden = CONTRADICTION in str(error)
                results[number] = ("crash" if hidden else "refused", str(error))
            except Exception as error:  # noqa: BLE001  (any other exception is a finding)
                results[number] = ("crash", f"{type(error).__name__}: {error}")
        jobs = {n: (cases[n], sources[n]) for n in sources}
        results |= _build_and_run(folder, jobs, seconds, builds)
        kernels = {
            n: tuple(str(op["kernel"]) for op in s.manifest["ops"]) for n, s in sources.items()
        }
        return [(*results[n], kernels.get(n, ())) for n in range(len(cases))]
    finally:
        shutil.rmtree(folder)


def _build_and_run(
    folder: Path,
    jobs: dict[int, tuple[Case, Sources]],
    seconds: float,
    builds: Mapping[str, Sequence[str]],
) -> dict[int, tuple[str, Any]]:
    if not jobs:
        return {}
    report = _compile(folder, jobs, builds)
    if not report:
        return {n: _run_all(folder, n, *job, seconds, builds) for n, job in jobs.items()}
    if len(jobs) == 1:
        return dict.fromkeys(jobs, ("crash", report))
    half = len(jobs) // 2
    items = list(jobs.items())
    first, second = dict(items[:half]), dict(items[half:])
    return _build_and_run(folder, first, seconds, builds) | _build_and_run(
        folder, second, seconds, builds
    )


def _compile(
    folder: Path,
    jobs: dict[int, tuple[Case, Sources]],
    builds: Mapping[str, Sequence[str]],
) -> str:
    """Make a program of every build in `folder`; the compiler's report if that fails."""
    unit = ["#include <stdint.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    table = []
    # Cases share their kernels.
    texts = {name: text for _, made in jobs.values() for name, text in made.files.items()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    for number, (case, sources) in jobs.items():
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
    for build, flags in builds.items():
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
    folder: Path,
    number: int,
    case: Case,
    sources: Sources,
    seconds: float,
    builds: Mapping[str, Sequence[str]],
) -> tuple[str, Any]:
    """What the first build gives, the sanitized one, if the others give the same."""
    found = {b: _run_one(folder / b, number, case, sources, seconds) for b in builds}
    first = next(iter(found.values()))
    for build, result in found.items():
        if first[0] == "ran" and first != result:
            return "crash", f"gcc {' '.join(builds[build])} gives other bytes: {result[0]}"
    return first


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
