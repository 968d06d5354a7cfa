"""Kernels for WebAssembly, with vectors and without: TensorFlow Lite Micro's bytes."""

import re
from dataclasses import replace

import pytest

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import wasm_toolchain
from edgeq.compiler.compilation import generate
from edgeq.devices.wasm.module import wasmtime_package
from edgeq.support.resources import resource_dir
from tests.browser import browser
from tests.kernels.layers import differences
from tests.kernels.test_hosts import forms

# i32x4.dot_i16x8_s, which only the form with vectors has.
_DOT = b"\xfd\xba\x01"
# Every shift from 8 to the left to 31 to the right, on the sums that a layer may have with it.
_SHIFTS = """
#include "eq_simd.h"

int32_t differing(void);
int32_t differing(void)
{
    uint32_t state = 1;
    int32_t wrong = 0;
    for (int32_t round = 0; round < 4000; round++) {
        int32_t table[EQ_TABLE_ROWS], found[EQ_LANES];
        const eq_limits limits = eq_no_limits(round % 2);
        for (int32_t i = 0; i < EQ_TABLE_ROWS; i++) {
            state = state * 1664525u + 1013904223u;
            table[i] = (int32_t)state;
        }
        for (int32_t i = 0; i < EQ_LANES; i++) {
            const int32_t shift = (round + i) % (limits.left ? 40 : 31) + (limits.left ? -8 : 1);
            table[i] >>= 1 + (shift < 0 ? 2 - shift : 0);
            table[2 * EQ_LANES + i] = (table[2 * EQ_LANES + i] & 0x3FFFFFFF) | 0x40000000;
            table[3 * EQ_LANES + i] = shift;
        }
        const eq_scales scales = eq_load_scales(table);
        eq_keep_sums(found, eq_scale_sums(eq_first_sums(table), &scales, &limits));
        for (int32_t i = 0; i < EQ_LANES; i++) {
            wrong += found[i] != eq_multiply_by_quantized_multiplier(
                table[i], table[2 * EQ_LANES + i], -table[3 * EQ_LANES + i]);
        }
    }
    return wrong;
}

/* Outputs whose sums lie at ties, beside them and anywhere, with every right shift. */
int32_t outputs_differing(void);
int32_t outputs_differing(void)
{
    uint32_t state = 1;
    int32_t wrong = 0;
    for (int32_t round = 0; round < 20000; round++) {
        int32_t table[EQ_TABLE_ROWS];
        int8_t found[EQ_LANES];
        const eq_limits limits = {round % 7 - 3, -128, 127, 1, 0};
        memset(table, 0, sizeof(table));
        for (int32_t i = 0; i < EQ_LANES; i++) {
            state = state * 1664525u + 1013904223u;
            const int32_t shift = (round + i) % 30;
            const int32_t most = shift > 20 ? (1 << (29 - shift)) - 1 : 300;
            const int32_t whole = (int32_t)(state >> 8) % (2 * most + 1) - most;
            const int32_t near = (int32_t)(state >> 4 & 3) - 1;
            const int32_t half = shift ? 1 << (shift - 1) : 0;
            const int32_t rest = near == 2 ? (int32_t)(state & ((1u << shift) - 1u)) : half + near;
            /* The multiplier stands for one half. */
            table[i] = 2 * (whole * (1 << shift) + rest);
            table[2 * EQ_LANES + i] = 0x40000000;
            table[3 * EQ_LANES + i] = shift;
        }
        const eq_scales scales = eq_load_scales(table);
        eq_store_outputs(found, eq_first_sums(table), &scales, &limits, EQ_LANES);
        for (int32_t i = 0; i < EQ_LANES; i++) {
            const int32_t scaled = eq_multiply_by_quantized_multiplier(
                table[i], table[2 * EQ_LANES + i], -table[3 * EQ_LANES + i]);
            wrong += found[i] != eq_clamp(scaled + limits.output_offset, -128, 127);
        }
    }
    return wrong;
}

/* Sums beside those where an output becomes the next one, with every shift that `narrow` allows: to
 * 12, or of sums below 2^21. */
int32_t narrow_differing(void);
int32_t narrow_differing(void)
{
    uint32_t state = 1;
    int32_t wrong = 0;
    for (int32_t round = 0; round < 40000; round++) {
        int32_t table[EQ_TABLE_ROWS];
        int8_t found[EQ_LANES];
        const int32_t offset = round % 255 - 127;
        const eq_limits limits = {offset, round % 2 ? offset : -128, 127, 1, 1};
        memset(table, 0, sizeof(table));
        for (int32_t i = 0; i < EQ_LANES; i++) {
            state = state * 1664525u + 1013904223u;
            /* One half has ties. */
            const uint32_t more = round % 3 ? state >> 2 : 0;
            const int32_t multiplier = (int32_t)(more | 0x40000000u);
            state = state * 1664525u + 1013904223u;
            const int32_t shift = (round + i) % 30 - 6;
            const int32_t most = shift > 12 ? (1 << (20 - shift)) + 1 : 400;
            const int64_t whole = (int32_t)(state >> 8) % (2 * most + 1) - most;
            /* Twice the limit below it, in units of the first rounding. */
            const int64_t least = 2 * whole - 1;
            const int64_t twice = shift > 0 ? least * ((int64_t)1 << shift) - 1 : least;
            int64_t sum = twice * ((int64_t)1 << 30) / multiplier;
            sum = shift < 0 ? sum >> -shift : sum;
            sum += (int32_t)(state & 7u) - 3;
            const int64_t room = shift > 12 ? 1 << 21 : 1 << 23;
            table[i] = (int32_t)(sum >= room ? room - 1 : sum <= -room ? 1 - room : sum);
            table[2 * EQ_LANES + i] = multiplier;
            table[3 * EQ_LANES + i] = shift;
        }
        const eq_scales scales = eq_load_scales(table);
        eq_store_outputs(found, eq_first_sums(table), &scales, &limits, EQ_LANES);
        for (int32_t i = 0; i < EQ_LANES; i++) {
            const int32_t scaled = eq_multiply_by_quantized_multiplier(
                table[i], table[2 * EQ_LANES + i], -table[3 * EQ_LANES + i]);
            wrong += found[i] != eq_clamp(scaled + offset, limits.activation_min, 127);
        }
    }
    return wrong;
}
"""
# Both kinds of inputs by weights.
_DOTS = """
#include "eq_fours_host.h"

int32_t differing(void);
int32_t differing(void)
{
    uint32_t state = 1;
    int32_t wrong = 0;
    for (int32_t round = 0; round < 20000; round++) {
        int32_t table[EQ_TABLE_ROWS], same[EQ_LANES], own[EQ_LANES];
        int8_t weights[EQ_WEIGHT_BYTES], inputs[EQ_WEIGHT_BYTES];
        memset(table, 0, sizeof(table));
        for (int32_t i = 0; i < EQ_WEIGHT_BYTES; i++) {
            state = state * 1664525u + 1013904223u;
            const int32_t any = (int32_t)(state >> 16 & 255u) - 128;
            const int32_t far = (state >> 20 & 1u) ? 127 : -127;
            weights[i] = (int8_t)(round % 3 == 0 ? far : any == -128 ? 0 : any);
            const int32_t end = (state >> 28 & 1u) ? 127 : -128;
            inputs[i] = (int8_t)(round % 2 ? (int32_t)(state >> 24) - 128 : end);
            table[i / 4] = (int32_t)(state >> 12) - 524288;
        }
        for (int32_t i = 0; i < EQ_WEIGHT_BYTES; i++) {
            table[EQ_LANES + i / 4] += 128 * weights[i];
        }
        const eq_taps each = eq_own_taps(inputs, inputs + 16, inputs + 32, inputs + 48);
        const int32_t fours = 1 + round / 6 % EQ_INPUT_FOURS, four = round / 24 % fours;
        const eq_inputs loaded = eq_load_inputs(inputs, fours);
        const eq_same alike = eq_take_inputs(&loaded, four, fours);
        const eq_fours w = eq_load_fours(weights, 1, 0);
        const eq_partial sums = eq_dot_same(eq_first_partial(table), &w, &alike, 0);
        eq_keep_sums(same, eq_whole(&sums));
        eq_keep_sums(own, eq_dot(eq_first_sums(table), eq_load_weights(weights), &each));
        for (int32_t i = 0; i < EQ_LANES; i++) {
            int32_t a = table[i], b = table[i];
            for (int32_t k = 0; k < 4; k++) {
                a += weights[4 * i + k] * inputs[4 * four + k];
                b += weights[4 * i + k] * inputs[16 * k + i];
            }
            wrong += (same[i] != a) + (own[i] != b);
        }
    }
    return wrong;
}
"""


@pytest.fixture(scope="module")
def layers():
    return [replace(case, calls=case.calls[:2]) for case in forms(1, seed=7)]


@pytest.mark.slow
@pytest.mark.parametrize("address", ["wasm:", "wasm:?simd=off"])
def test_random_layers_give_tflms_bytes(address, layers):
    pytest.importorskip("wasmtime")
    differ, compared = differences(address, layers)
    assert not differ
    assert compared >= len(layers) // 2


def _built(files, simd, export, *, relaxed=False):
    link = ["-Wl,--no-entry", f"-Wl,--export={export}"]
    toolchain = wasm_toolchain(simd=simd, math=False, relaxed=relaxed)
    return build(toolchain, files, ["-O2"], link, "layer.wasm")


def _files(source):
    kernels = resource_dir("kernels")
    return {
        "layer.c": source,
        "eq_base.h": (kernels / "include/eq_base.h").read_text(),
        "eq_simd.h": (kernels / "simd128/simd.h").read_text(),
        "eq_scales_simd128.h": (kernels / "simd128/scales.h").read_text(),
        "eq_simd_host.h": (kernels / "host/simd.h").read_text(),
        "eq_lanes_host.h": (kernels / "host/lanes.h").read_text(),
        "eq_fours_host.h": (kernels / "host/fours.h").read_text(),
    }


@pytest.mark.slow
def test_one_program_makes_both_forms(models):
    files = generate(models / "ad01_int8.tflite", name="net", target="wasm32").files
    made = {simd: _built(files, simd, "net_invoke").read_bytes() for simd in (True, False)}
    assert _DOT in made[True]
    assert _DOT not in made[False]


@pytest.mark.slow
@pytest.mark.parametrize("simd", [True, False])
@pytest.mark.parametrize("what", ["differing", "outputs_differing", "narrow_differing"])
def test_every_shift_is_the_reference_s(simd, what):
    pytest.importorskip("wasmtime")
    wasmtime = wasmtime_package()
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, str(_built(_files(_SHIFTS), simd, what)))
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, module, []).exports(store)
    assert exports[what](store) == 0


@pytest.mark.slow
def test_relaxed_dot_products_are_exact_where_the_loader_says_so(tmp_path):
    """In Chromium, which has them; what is exact there depends on the processor."""
    template = (resource_dir("firmware_templates") / "web/index.js").read_text()
    probe = re.search(r"const DOTS = new Uint8Array\(\[(.*?)\]\)", template, re.DOTALL)[1]
    found = {}
    with browser(tmp_path) as page:
        page.open("about:blank")
        for relaxed in (True, False):
            module = _built(_files(_DOTS), True, "differing", relaxed=relaxed).read_bytes()
            found[relaxed] = page.value(_run(list(module), "differing"))
            module = _built(_files(_SHIFTS), True, "narrow_differing", relaxed=relaxed)
            code = list(module.read_bytes())
            assert page.value(_run(code, "narrow_differing")) == 0, relaxed
        exact = page.value(_run(probe, "f")) == 2 * 4 * 127 * 255
    assert found[False] == 0
    assert (found[True] == 0) == exact


def _run(module, name):
    return (
        f"WebAssembly.instantiate(new Uint8Array([{str(module).strip('[]')}]))"
        f".then((made) => made.instance.exports.{name}())"
    )
