"""Layers in parts, over threads: the same bytes, no race, and nothing that stays behind."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from edgeq.boards.levels import LEVELS, best_here, level, runs_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.host import shares
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.generated import compile_flags, thread_flags
from edgeq.devices.host_c import host_target
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from tests.kernels.hosts import FORMS, OWN_FORMS, SIZE
from tests.kernels.layers import random_layers, side_by_side
from tests.kernels.nets import mixed_net
from tests.sanitized import run_program

NAMES = [each.name for each in LEVELS if each.cpu in ("", host_target().cpu) and runs_here(each)]
HEIGHT, WIDTH, DEPTH = 11, 9, 20
# Where the address space is laid out at random, ThreadSanitizer may not find its place.
FIXED = ("setarch", "-R") if shutil.which("setarch") else ()


@pytest.fixture(autouse=True)
def every_layer_in_parts(monkeypatch):
    monkeypatch.setattr(shares, "_PART_WORK", 1)


@pytest.fixture
def model(tmp_path):
    """A convolution, a depthwise one and a sum, of odd sizes."""
    path = tmp_path / "small.tflite"
    path.write_bytes(mixed_net(HEIGHT, WIDTH, DEPTH))
    return path


@pytest.fixture
def inputs():
    random = np.random.default_rng(7)
    return [random.integers(-128, 128, (5, 1, HEIGHT, WIDTH, 5)).astype(np.int8)]


@pytest.fixture
def expected(model, inputs):
    with open_device("tflm").open(model, CompileOptions()) as session:
        return session.run(inputs)[0]


@pytest.mark.parametrize("threads", [2, 3, 5, 8])
def test_any_number_of_threads_gives_tflms_bytes(model, inputs, expected, threads):
    with open_device(f"c?threads={threads}").open(model, CompileOptions()) as session:
        assert session.run(inputs)[0].tobytes() == expected.tobytes()


@pytest.fixture(scope="module")
def layers():
    isa = "avx2" if "avx2" in NAMES else ""
    return [
        case
        for name, form in (*FORMS, *OWN_FORMS.get(isa, ()))
        for case in random_layers("c", name, form, 2, 11, SIZE, isa)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("isa", "threads"), [(NAMES[-1], 7), (NAMES[min(1, len(NAMES) - 1)], 3)])
def test_random_layers_in_parts(layers, isa, threads, tmp_path):
    """Layers of all forms."""
    path = tmp_path / "layers.tflite"
    path.write_bytes(side_by_side([case.model for case in layers]))
    calls = [np.asarray(array)[None] for case in layers for array in case.calls[0]]
    found = []
    for count in (1, threads):
        options = CompileOptions(isa=isa, threads=count)
        sources = generate(path, name="model", target=host_target(), options=options)
        compiler = host_toolchain(level(isa).flags or None)
        found.append(run_program(sources, calls, compiler, link=thread_flags(sources)))
    assert sources.files["model.c"].count("_part(") > len(layers) // 2
    for alone, shared in zip(*found, strict=True):
        assert shared.tobytes() == alone.tobytes()


MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model.h"

static uint8_t in[CALLS][MODEL_INPUT_BYTES], out[CALLS][MODEL_OUTPUT_BYTES];

static int tasks(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    while (readdir(folder)) { count++; }
    closedir(folder);
    return count - 2;
}

static void *run(void *unused)
{
    static __thread model_state state;
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < CALLS; i++) {
            memcpy(model_input(&state), in[i], sizeof(in[i]));
            model_invoke(&state);
            if (memcmp(model_output(&state), out[i], sizeof(out[i]))) { abort(); }
        }
    }
    return unused;
}

int main(void)
{
    pthread_t other;
    if (fread(in, sizeof(in), 1, stdin) + fread(out, sizeof(out), 1, stdin) != 2) { return 9; }
    const int before = tasks();
    run(0);
    const int running = tasks();
    int status = 0;
#ifndef ALONE
    const pid_t child = fork();
    if (child == 0) { run(0); exit(tasks() == running ? 0 : 7); }
    waitpid(child, &status, 0);
#endif
    pthread_create(&other, 0, run, 0);
    run(0);
    pthread_join(other, 0);
    model_stop();
    const int stopped = tasks();
    run(0);
    printf("%d %d %d %d\\n", running - before, stopped - before, tasks() - before, status);
    return 0;
}
"""


def program(model, flags, extra=()):
    options = CompileOptions(isa=best_here().name, threads=4)
    sources = generate(
        model, name="model", target=host_target(), options=options, memory=Memory.REENTRANT
    )
    return build(
        host_toolchain(best_here().flags or None),
        {**sources.files, "main.c": MAIN},
        [*compile_flags(sources), *flags, "-D_GNU_SOURCE", "-DCALLS=5", *extra],
        [*thread_flags(sources), *flags],
        "threads",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sanitizer", "extra"),
    [
        ((), ["-DTURNS=300"]),
        # In a child of fork() ThreadSanitizer lets no threads begin.
        (("-fsanitize=thread",), ["-DTURNS=20", "-DALONE"]),
        (("-fsanitize=address",), ["-DTURNS=20"]),
    ],
)
def test_threads_begin_fork_stop_and_begin_again(model, inputs, expected, sanitizer, extra):
    """Two callers at once, a child of fork(), and an end without a thread left or a race."""
    made = program(model, ["-g", *sanitizer], extra)
    done = subprocess.run(
        [*FIXED, made], input=inputs[0].tobytes() + expected.tobytes(), capture_output=True,
        check=False, timeout=300, env={"ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[:3000]
    assert not done.stderr
    running, stopped, again, child = map(int, done.stdout.split())
    watcher = running - 3  # a sanitizer's own thread
    assert watcher in (0, 1)
    assert (stopped, again, child) == (watcher, running, 0)


def test_one_thread_needs_no_pthread(model, tmp_path):
    """Neither by default, nor where the macro takes the threads out of a program with some."""
    for threads, flags in ((1, ()), (4, ("-DEQ_THREADS=1",))):
        options = CompileOptions(threads=threads)
        sources = generate(model, name="model", target=host_target(), options=options)
        assert ("-pthread" in compile_flags(sources)) == (threads > 1)
        made = build(host_toolchain(), sources.files, ["-O1", "-fPIC", *flags], ["-shared"], "m.so")
        names = subprocess.run(["nm", "-u", made], capture_output=True, text=True, check=True)
        assert "pthread" not in names.stdout
        assert "pthread" not in sources.files["model.c"].replace("need of pthread", "")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("dispatch", [False, True])
def test_nothing_is_warned_of(model, compiler, dispatch):
    found = shutil.which(compiler)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    options = CompileOptions(threads=3, dispatch=dispatch)
    sources = generate(model, name="model", target=host_target(), options=options)
    toolchain = replace(host_toolchain(()), command=(found,), flags=())
    build(toolchain, sources.files, ["-O2", "-fPIC", "-pthread", *WARNINGS], ["-shared"], "all.so")


def test_all_levels_share_the_threads_of_the_program(model, inputs, expected):
    options = CompileOptions(dispatch=True)
    with open_device("c?threads=3").open(model, options) as session:
        assert session.run(inputs)[0].tobytes() == expected.tobytes()


def test_profile_says_how_many_threads_there_were(model):
    with open_device("c?threads=2").open(model, CompileOptions()) as session:
        found = session.profile(ProfileOptions(ops=False))
    assert found.device["threads"] == 2
    assert found.device["isa"] == best_here().name


@pytest.mark.parametrize("text", ["c?threads=0", "c?threads=65", "c?threads=two", "c?cores=2"])
def test_other_numbers_are_refused(text):
    with pytest.raises(UsageError, match=r"threads|cores"):
        open_device(text)


def test_threads_are_for_hosts(model):
    for target in ("cortex-m4", "wasm32", "portable"):
        with pytest.raises(UsageError, match="--threads is for hosts"):
            generate(model, target=target, options=CompileOptions(threads=2))


def test_more_threads_than_there_is_memory_for_are_refused(model, cli, tmp_path):
    folder = tmp_path / "made"
    assert cli("compile", model, "-o", folder, "--target", "x86-64", "--threads", 2).code == 0
    command = ["cc", "-c", "-DEQ_THREADS=3", str(folder / "small.c"), "-o", str(tmp_path / "x.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "edgeq compile --threads" in done.stderr
