"""`--reentrant`: callers with a state each do not see one another; nothing static is written."""

import shutil
import subprocess

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.workflow.compile import compile as compile_model
from tests.compiler.codegen.test_golden import small_model
from tests.oracle.check import WARNINGS
from tests.oracle.fuzz import generators
from tests.tools import need

# Each thread has its inputs and a state; the first calls of all give what they should give.
THREADS = """
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "m.h"

enum { THREADS = 4, CALLS = 50 };
static m_state states[THREADS];
static unsigned char found[THREADS][CALLS][M_OUTPUT_BYTES];

static void *caller(void *number)
{
    const int k = *(const int *)number;
    m_state *state = &states[k];
    RESET
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < M_INPUT_BYTES; i++) {
            ((unsigned char *)m_input(state))[i] = (unsigned char)(13 * i + 7 * call + 31 * k);
        }
        m_invoke(state);
        memcpy(found[k][call], m_output(state), M_OUTPUT_BYTES);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const int numbers[THREADS] = {0, 1, 2, 3};
    pthread_t threads[THREADS];
    (void)argv;
    memset(states, 0x5A, sizeof(states));
    SELFTEST
    for (int k = 0; k < THREADS; k++) {
        if (argc > 1) {
            (void)caller((void *)(size_t)&numbers[k]);
        } else {
            pthread_create(&threads[k], 0, caller, (void *)(size_t)&numbers[k]);
        }
    }
    for (int k = 0; k < THREADS && argc == 1; k++) {
        pthread_join(threads[k], 0);
    }
    fwrite(found, sizeof(found), 1, stdout);
    return 0;
}
"""


def program(model, folder, *, golden):
    sources = compile_model(model, folder, name="m", reentrant=True, golden=golden)
    header = sources.files["m.h"]
    text = THREADS.replace("RESET", "m_reset(state);" if "m_reset" in header else "")
    text = text.replace("SELFTEST", "if (m_selftest(&states[0])) { return 1; }" if golden else "")
    (folder / "main.c").write_text(text)
    ours = [name for name in sources.files if name.endswith(".c")]
    subprocess.run(["gcc", "-std=c99", *WARNINGS, "-O2", "-c", *ours], cwd=folder, check=True)
    flags = ["-std=gnu99", "-O1", "-g", "-fsanitize=thread"]
    command = ["gcc", *flags, "main.c", *ours, "-o", "threads", "-lpthread", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    listed = subprocess.run(
        ["size", "-A", *(f"{name[:-2]}.o" for name in ours)],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    static = [
        line.split()[:2] for line in listed.splitlines() if line.startswith((".data", ".bss"))
    ]
    return [name for name, size in static if int(size) and "rel.ro" not in name]


def outputs(folder, *arguments):
    done = subprocess.run(
        ["setarch", "-R", "./threads", *arguments], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "small.tflite"
    file.write_bytes(small_model())
    return file


def test_threads_with_a_state_each(model, tmp_path):
    need(shutil.which("gcc"), "gcc")
    folder = tmp_path / "c"
    assert program(model, folder, golden=True) == []
    alone = outputs(folder, "one after another")
    assert outputs(folder) == alone
    assert len(set(np.frombuffer(alone, np.uint8).tolist())) > 3


def test_threads_choose_one_level_for_all(tmp_path):
    """Each wrote the pointer to it, while others read it."""
    need(shutil.which("gcc"), "gcc")
    folder, model = tmp_path / "c", tmp_path / "add.tflite"
    model.write_bytes(generators()["ADD"](np.random.default_rng(5), 5).model)
    options = CompileOptions(dispatch=True)
    sources = compile_model(model, folder, name="m", reentrant=True, options=options)
    (folder / "main.c").write_text(THREADS.replace("RESET", "").replace("SELFTEST", ""))
    ours = [name for name in sources.files if name.endswith(".c")]
    command = ["gcc", "-std=gnu99", "-O1", "-fsanitize=thread", "main.c", *ours, "-o", "threads"]
    subprocess.run([*command, "-lpthread", "-lm"], cwd=folder, check=True)
    assert len(set(outputs(folder))) > 3


def test_state_from_call_to_call_is_each_callers_own(models, tmp_path):
    need(shutil.which("gcc"), "gcc")
    folder = tmp_path / "c"
    assert program(models / "sww_int8.tflite", folder, golden=False) == []
    assert outputs(folder) == outputs(folder, "one after another")


def test_the_header_says_what_may_run_at_the_same_time(model, tmp_path):
    plain = compile_model(model, tmp_path / "a", name="m").files["m.h"]
    assert "One caller at a time" in plain
    assert "interrupt" in plain
    shared = compile_model(model, tmp_path / "b", name="m", external_arena=True).files["m.h"]
    assert "destroys inputs and outputs of the others" in shared
    own = compile_model(model, tmp_path / "c", name="m", reentrant=True)
    assert "void m_invoke(m_state *state);" in own.files["m.h"]
    assert "static uint8_t" not in own.files["m.c"]
    with pytest.raises(UsageError):
        compile_model(model, tmp_path / "d", external_arena=True, reentrant=True)
