"""A small hand-written model in the shape of generated C, for tests of the devices."""

from types import SimpleNamespace

_HEADER = """
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
#define MODEL_ARENA_BYTES 64
int8_t *model_input(void);
const int8_t *model_output(void);
void model_invoke(void);
void model_reset(void);
#endif
"""

_SOURCE = """
#include "model.h"
#include <string.h>
#ifndef EQ_OP
#define EQ_OP(i)
#endif
static uint8_t model_arena[MODEL_ARENA_BYTES] __attribute__((aligned(16)));
static int8_t *at(int offset) {{ return (int8_t *)(void *)(model_arena + offset); }}
int8_t *model_input(void) {{ return at(0); }}
const int8_t *model_output(void) {{ return at(16); }}
void model_reset(void) {{ memset(model_arena, 0, sizeof(model_arena)); }}
__attribute__((noinline)) static void first(void)
{{
    for (int i = 0; i < 16; i++) {{
        at(16)[i] = (int8_t)(at(0)[i] / 2);
    }}
}}
__attribute__((noinline)) static void second(void)
{{
    /* Byte 32 is state: the number of calls. */
    model_arena[32]++;
    for (int i = 0; i < 16; i++) {{
        at(16)[i] = (int8_t)(at(16)[i] + model_arena[32]);
    }}
    {body}
}}
void model_invoke(void)
{{
    EQ_OP(0)
    first();
    EQ_OP(1)
    second();
    EQ_OP(2)
}}
"""


def _tensor(index, offset):
    return {
        "tensor": index,
        "arena_offset": offset,
        "name": "t",
        "shape": [1, 16],
        "dtype": "int8",
        "bytes": 16,
    }


def tiny_model(body=""):
    """Halves its input, then adds the number of calls; `body` is C at the end of op 1."""
    return SimpleNamespace(
        loaded={},
        stream=None,
        files={"model.h": _HEADER, "model.c": _SOURCE.format(body=body)},
        manifest={
            "cflags": ["-O2"],
            "kernels": ["portable"],
            "arena_bytes": 64,
            "state_bytes": 0,
            "inputs": [{"name": "in", "shape": [1, 16], "dtype": "int8"}],
            "outputs": [{"name": "out", "shape": [1, 16], "dtype": "int8"}],
            "ops": [
                {"index": 0, "op": "HALVE", "name": "a", "macs": 0, "outputs": [_tensor(1, 16)]},
                {"index": 1, "op": "COUNT", "name": "b", "macs": 0, "outputs": [_tensor(2, 16)]},
            ],
        },
    )
