"""`web` projects against LiteRT.js (XNNPACK, one thread) in the same headless Chromium.

    npm install --ignore-scripts --prefix FOLDER @litertjs/core
    python -m benchmarks.browser FOLDER

prints the table of docs/apps.md. LiteRT.js takes no int8 inputs, so both run the five models with
a QUANTIZE from and to uint8 at their ends. A call is what an app does: the input written, the model
run, the output read. Some milliseconds of each alternate; a figure is the least mean of one such
turn, by the page's clock, so that other programs count little.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ledger import TINY, shared_models
from edgeq.conversion.flatbuffer import indices, new_op, new_tensor, pack, unpack
from edgeq.firmware.create import create_project
from edgeq.firmware.names import class_title
from tests.browser import browser

_PAGE = """<!doctype html>
<script type="importmap">
{"imports": {"@litertjs/wasm-utils": "/litert/@litertjs/wasm-utils/dist/index.js"}}
</script>
<script type="module">
import { loadLiteRt, loadAndCompile, Tensor } from "/litert/@litertjs/core/dist/index.js";

const TURNS = 300, TURN_MS = 4;

function input(length) {
    let state = 1;
    return Uint8Array.from({ length }, () => {
        state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
        return state & 255;
    });
}

async function ours(name, title, vectors) {
    const net = await import(`/${name}/index.js`);
    window.form = net.bestVectors();
    const model = await net[`load${title}`]({ vectors });
    const x = input(model.inputs[0].length);
    return () => { model.input().set(x); model.invoke(); return model.output().slice(); };
}

async function theirs(name) {
    const model = await loadAndCompile(`/${name}.tflite`, { accelerator: "wasm" });
    const { shape } = model.getInputDetails()[0];
    const x = input(shape.reduce((a, b) => a * b, 1));
    return async () => {
        const given = new Tensor(x, Array.from(shape));
        const made = await model.run(given);
        const y = made[0].toTypedArray().slice();
        given.delete();
        made.forEach((tensor) => tensor.delete());
        return y;
    };
}

async function begun(load) {
    const start = performance.now();
    const call = await load();
    const output = Array.from(await call());
    return { call, output, first: performance.now() - start };
}

async function turn(call) {
    const start = performance.now();
    let calls = 0, now;
    do {
        await call();
        calls++;
        now = performance.now();
    } while (now - start < TURN_MS);
    return (now - start) / calls * 1000;
}

window.measure = async (name, title) => {
    const all = [await begun(() => ours(name, title)), await begun(() => theirs(name)),
        await begun(() => ours(name, title, true))];
    const least = all.map(() => Infinity);
    for (let k = 0; k < TURNS; k++) {
        for (const [n, { call }] of all.entries()) {
            least[n] = Math.min(least[n], await turn(call));
        }
    }
    return all.map(({ output, first }, n) => ({ output, first, us: least[n] }));
};
const start = performance.now();
await loadLiteRt("/litert/@litertjs/core/wasm/");
window.runtime = performance.now() - start;
</script>
"""


def with_uint8(data: bytes) -> bytes:
    """A model of int8 inputs and outputs with uint8 ones, that stand for the same reals."""
    model = unpack(data)
    subgraph = model.subgraphs[0]
    before = []
    for side in ("inputs", "outputs"):
        outer = []
        for index in indices(getattr(subgraph, side)):
            inner = subgraph.tensors[index]
            made = new_tensor(model, f"{side} uint8 {index}", list(inner.shape), "uint8")
            own = subgraph.tensors[made]
            own.quantization = type(inner.quantization)()
            own.quantization.scale = list(inner.quantization.scale)
            own.quantization.zeroPoint = [int(inner.quantization.zeroPoint[0]) + 128]
            ends = ([made], [index]) if side == "inputs" else ([index], [made])
            op = new_op(model, "QUANTIZE", *ends)
            before += [op] * (side == "inputs")
            subgraph.operators += [op] * (side == "outputs")
            outer.append(made)
        setattr(subgraph, side, outer)
    subgraph.operators = [*before, *subgraph.operators]
    model.signatureDefs = []
    return pack(model)


class _Counting(http.server.SimpleHTTPRequestHandler):
    """Files of the folder, and of node_modules under /litert; `sizes` has what was asked for."""

    sizes: dict[str, tuple[int, int]]

    def __init__(
        self, *args: Any, modules: str, sizes: dict[str, tuple[int, int]], **kwargs: Any
    ) -> None:
        self._modules, self.sizes = modules, sizes
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        """Where a file lies."""
        path = path.partition("?")[0]
        if path.startswith("/litert/"):
            return f"{self._modules}/{path.removeprefix('/litert/')}"
        return super().translate_path(path)

    def end_headers(self) -> None:
        """Let the page have a clock of microseconds; otherwise it has one of 100 of them."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self) -> None:
        """Count and send."""
        file = Path(self.translate_path(self.path))
        raw = file.read_bytes() if file.is_file() else b""
        self.sizes[self.path] = (len(raw), len(gzip.compress(raw, 6)))
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def measured(modules: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """By model: what the page found; "sizes" of all files that it fetched, "runtime" to load it."""
    sizes: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(prefix="edgeq-") as scratch:
        folder = Path(scratch)
        (folder / "page.html").write_text(_PAGE)
        for name in names:
            path = folder / f"{name}.tflite"
            path.write_bytes(with_uint8((shared_models() / f"{name}_int8.tflite").read_bytes()))
            create_project([path], folder / name, target="portable", template="web", golden=False)
        handler = partial(_Counting, directory=scratch, modules=str(modules), sizes=sizes)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with browser(folder / "browser") as page:
                page.open(f"http://127.0.0.1:{server.server_port}/page.html")
                page.wait("window.runtime !== undefined")
                found = {
                    name: page.value(
                        f"measure({json.dumps(name)}, {json.dumps(class_title(name))})"
                    )
                    for name in names
                }
                both = {"runtime": page.value("runtime"), "form": str(page.value("form"))}
                return {"sizes": sizes, **both, **found}
        finally:
            server.shutdown()


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where npm has installed @litertjs/core")
    modules = parser.parse_args().folder / "node_modules"
    found = measured(modules, TINY)
    sizes = found["sizes"]
    print(f"runtime of LiteRT.js: {found['runtime']:.0f} ms; the form taken: {found['form']}")
    for name in TINY:
        ours, other, vectors = found[name]
        assert ours["output"] == vectors["output"], name
        loaded = [f"/{name}/index.js", next(p for p in sizes if p.startswith(f"/{name}/{name}"))]
        own = [sum(sizes[p][k] for p in loaded) for k in (0, 1)]
        both = [
            sum(size[k] for p, size in sizes.items() if p.startswith("/litert/"))
            + sizes[f"/{name}.tflite"][k]
            for k in (0, 1)
        ]
        far = np.abs(np.subtract(ours["output"], other["output"])).max()
        print(
            f"| {name} | {other['us']:,.0f} | {ours['us']:,.0f} | {ours['us'] / other['us']:.2f}x "
            f"| {vectors['us']:,.0f} | {vectors['us'] / other['us']:.2f}x "
            f"| {ours['first']:.0f} | {found['runtime'] + other['first']:.0f} "
            f"| {own[0] / 1e3:,.0f} | {both[0] / 1e3:,.0f} | {both[0] / own[0]:.0f} "
            f"| {own[1] / 1e3:,.0f} | {both[1] / 1e3:,.0f} | {both[1] / own[1]:.0f} | {far} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
