"""`compile --project web`: the npm package in Node and in a real browser."""

import http.server
import json
import shutil
import subprocess
import threading
from functools import partial

import numpy as np
import pytest

from edgeq.errors import EdgeqError
from edgeq.firmware.app_binaries import TIE_BYTES, finish_binaries
from edgeq.firmware.building import build_project
from edgeq.firmware.create import create_project, read_project
from edgeq.model.arrays import dequantize, quantize
from edgeq.model.model_file import read_graph
from tests.conftest import MLPERF_TINY
from tests.tools import need

pytestmark = pytest.mark.slow

# Runs every model on every input, in both forms, and gives all that it found as JSON.
_CHECK = """
export async function check(net, given) {
    const found = {};
    for (const [name, inputs] of Object.entries(given)) {
        const load = net[`load${name[0].toUpperCase()}${name.slice(1)}`];
        found[name] = { tests: [], outputs: {} };
        for (const vectors of new Set([net.bestVectors(), true, false])) {
            const model = await load({ vectors });
            found[name].tests.push(model.selfTest());
            model.reset();
            found[name].outputs[vectors] = inputs.map((values) =>
                Array.from(model.run(Int8Array.from(values))));
        }
    }
    return found;
}
"""


@pytest.fixture(scope="module")
def project(make_project, tflm_bytes):
    folder = make_project("web")
    (folder / "check.mjs").write_text(_CHECK)
    given = {name: x.reshape(len(x), -1).tolist() for name, (x, _) in tflm_bytes.items()}
    (folder / "given.json").write_text(json.dumps(given))
    return folder


def _assert_tflm(found, tflm_bytes):
    assert set(found) == set(MLPERF_TINY)
    for name, (_, expected) in tflm_bytes.items():
        forms = found[name]["outputs"]
        assert {"true", "false"} <= set(forms) <= {"relaxed", "true", "false"}
        assert found[name]["tests"] == [0] * len(forms)
        for form in forms:
            outputs = np.array(found[name]["outputs"][form], np.int8).reshape(expected.shape)
            np.testing.assert_array_equal(outputs, expected, f"{name}, vectors {form}")


def _node(folder, script):
    need(shutil.which("node"), "node")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_gives_the_bytes_of_tflm(project, tflm_bytes):
    script = (
        'import * as net from "./index.js"; import { check } from "./check.mjs";'
        'import given from "./given.json" with { type: "json" };'
        "console.log(JSON.stringify(await check(net, given)));"
    )
    _assert_tflm(_node(project, script), tflm_bytes)


def test_the_commands_of_the_readme(project):
    need(shutil.which("npm"), "npm")
    for command in (["npm", "test"], ["npm", "pack", "--dry-run", "--json"]):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    files = {file["path"] for file in json.loads(done.stdout)[0]["files"]}
    assert files == {
        "README.md", "index.js", "index.d.ts", "package.json", "m_net.wasm", "m_net.simd.wasm",
        "m_net.relaxed.wasm", "m_net.data",
    }  # fmt: skip
    made = [*project.glob("*.wasm"), project / "m_net.data"]
    before = [path.read_bytes() for path in made]
    build_project(project)
    assert [path.read_bytes() for path in made] == before


def test_real_numbers_and_wrong_ones(project, models):
    values = np.linspace(-900, 900, 490, dtype=np.float32)
    (project / "values.json").write_text(json.dumps(values.tolist()))
    found = _node(
        project,
        """
        import { readFile } from "node:fs/promises";
        import { loadKws } from "./index.js";
        const values = JSON.parse(await readFile("values.json"));
        const kws = await loadKws();
        const said = [];
        for (const wrong of [[], [new Int8Array(3)], [new Uint8Array(490)], [values]]) {
            try { kws.run(...wrong); } catch (error) { said.push(`${error}`); }
        }
        const real = Array.from(kws.runReal(values));
        const bytes = Array.from(kws.output());
        kws.runReal(values.map(() => NaN));
        console.log(JSON.stringify({ real, bytes, said, label: kws.label(0) ?? null,
            facts: kws.inputs[0] }));
        """,
    )
    graph = read_graph(models / "kws_int8.tflite")
    x, y = (graph.main.tensors[k[0]] for k in (graph.main.inputs, graph.main.outputs))
    fed = quantize(values, x).tolist()
    again = _node(
        project,
        f"""
        import {{ loadKws }} from "./index.js";
        const kws = await loadKws();
        console.log(JSON.stringify(Array.from(kws.run(Int8Array.from({json.dumps(fed)})))));
        """,
    )
    assert found["bytes"] == again
    assert found["real"] == dequantize(np.array(again, np.int8), y).tolist()
    assert len(found["said"]) == 4
    assert "1 inputs are needed, 0 given" in found["said"][0]
    assert "490 values, not 3" in found["said"][1]
    assert "Int8Array" in found["said"][2]
    assert found["facts"]["scale"] == pytest.approx(0.584702909)
    assert found["facts"]["shape"] == [1, 49, 10, 1]
    assert found["label"] is None


def test_chromium_gives_the_bytes_of_tflm_in_the_page_and_in_a_worker(
    project, tflm_bytes, tmp_path
):
    need(shutil.which("chromium"), "chromium")
    (project / "check.html").write_text(
        "<!doctype html><script type=module>"
        'import * as net from "./index.js"; import { check } from "./check.mjs";'
        'let given = await (await fetch("given.json")).json(), found;'
        "try { found = await check(net, given); } catch (error) { found = `${error}`; }"
        'await fetch("/found", { method: "POST", body: JSON.stringify(found) });'
        'location.href = "/example/index.html";</script>'
    )
    example = project / "example" / "index.html"
    page = example.read_text()
    posting = 'fetch("/shown", { method: "POST", body: '
    shown = 'JSON.stringify(document.getElementById("result").textContent) });\n};\nworker.post'
    example.write_text(page.replace("};\nworker.post", posting + shown))
    posted, ready = {}, threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers["Content-Length"])
            posted[self.path] = json.loads(self.rfile.read(size))
            self.send_response(204)
            self.end_headers()
            if self.path == "/shown":
                ready.set()

        def log_message(self, *args):
            pass

    handler = partial(Handler, directory=str(project))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/check.html"
    browser = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         f"--user-data-dir={tmp_path}", "--remote-debugging-port=0", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert ready.wait(240), posted
    finally:
        browser.terminate()
        browser.wait(60)
        server.shutdown()
        example.write_text(page)
    _assert_tflm(posted["/found"], tflm_bytes)
    lines = posted["/shown"].splitlines()
    assert lines[:2] == ["self-test 0", "worker equal"]
    assert lines[2] in ("vectors true", "vectors relaxed")


def test_a_page_with_kws_has_at_most_150_kb(make_project):
    """What a browser loads, code in one of three forms and the weights; and a site that has all."""
    folder = make_project("web", ("kws",))
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.*")}
    page = [folder / "index.js", folder / "example/index.html", folder / "example/worker.js"]
    rest = sum(path.stat().st_size for path in page)
    forms = [sizes[f"m_net{end}"] for end in (".wasm", ".simd.wasm", ".relaxed.wasm")]
    assert sizes["m_net.data"] > 33_000
    assert rest + max(forms) + sizes["m_net.data"] < 75_000
    assert rest + sum(forms) + sizes["m_net.data"] < 110_000


def _module(data):
    """A module with one page of memory that holds `data` at 0 and shows it."""
    wasm = b"\0asm\1\0\0\0" + b"\x05\x03\1\0\1" + b"\x07\x05\1\1m\2\0"
    segment = b"\1\0\x41\0\x0b" + bytes([len(data)]) + data
    return wasm + b"\x0b" + bytes([len(segment)]) + segment


def test_the_weights_of_all_forms_lie_in_one_file_if_they_are_equal(tmp_path):
    ends = (".wasm", ".simd.wasm", ".relaxed.wasm")
    for end in ends:
        (tmp_path / f"net{end}").write_bytes(_module(b"weights"))
    finish_binaries("web", "net", tmp_path)
    data = (tmp_path / "net.data").read_bytes()
    assert data.endswith(b"weights")
    for end in ends:
        code = (tmp_path / f"net{end}").read_bytes()
        assert b"weights" not in code
        assert (code + data).replace(code[-TIE_BYTES:], b"") == _module(b"weights")
    wasmtime = pytest.importorskip("wasmtime")
    store = wasmtime.Store()
    shown = wasmtime.Instance(store, wasmtime.Module(store.engine, code + data), [])
    assert bytes(shown.exports(store)["m"].read(store, 0, 7)) == b"weights"


def test_forms_whose_data_differ_stay_whole(tmp_path):
    for end, data in ((".wasm", b"one"), (".simd.wasm", b"two"), (".relaxed.wasm", b"one")):
        (tmp_path / f"net{end}").write_bytes(_module(data))
    finish_binaries("web", "net", tmp_path)
    assert (tmp_path / "net.data").read_bytes() == b""
    assert (tmp_path / "net.wasm").read_bytes()[:-TIE_BYTES] == _module(b"one")
    assert (tmp_path / "net.simd.wasm").read_bytes()[:-TIE_BYTES] == _module(b"two")


def test_what_is_no_module_is_an_error(tmp_path):
    for end in (".wasm", ".simd.wasm", ".relaxed.wasm"):
        (tmp_path / f"net{end}").write_bytes(b"\x7fELF")
    with pytest.raises(EdgeqError, match="no WebAssembly module"):
        finish_binaries("web", "net", tmp_path)


def _other_build(project, folder):
    """The same net after another training: each byte of its weights is another."""
    shutil.copytree(project, folder)
    for end in (".wasm", ".simd.wasm", ".relaxed.wasm"):
        code = (project / f"m_net{end}").read_bytes()[:-TIE_BYTES]
        whole = bytearray(code + (project / "m_net.data").read_bytes())
        whole[-1] ^= 1
        (folder / f"m_net{end}").write_bytes(whole)
    finish_binaries("web", "m_net", folder)


@pytest.mark.parametrize("kind", ["data", "code", "facts", "empty", "cut", "flipped"])
def test_files_of_two_builds_are_not_run(make_project, tmp_path, kind):
    """A cache that still had last week's weights gave answers of no model, and no error."""
    project = make_project("web", ("kws",))
    folder = tmp_path / "site"
    _other_build(project, folder)
    data, script = folder / "m_net.data", folder / "index.js"
    if kind == "data":
        shutil.copy(project / "m_net.data", data)
    elif kind == "code":
        for path in project.glob("*.wasm"):
            shutil.copy(path, folder)
    elif kind == "facts":
        text = script.read_text()
        found = text.index('sha256: "') + len('sha256: "')
        script.write_text(text[:found] + "00000000" + text[found + 8 :])
    else:
        raw = bytearray(data.read_bytes())
        raw[len(raw) // 2] ^= 16
        data.write_bytes({"empty": b"", "cut": raw[:-5], "flipped": raw}[kind])
    tried = """
        import { loadKws } from "./index.js";
        const said = [];
        for (const vectors of [true, false]) {
            await loadKws({ vectors }).then(() => said.push(""), (error) => said.push(`${error}`));
        }
        console.log(JSON.stringify(said));
    """
    said = _node(folder, tried)
    assert all("not of one build" in words and "no cache answer" in words for words in said), said
    shutil.rmtree(folder)
    _other_build(project, folder)
    assert _node(folder, tried) == ["", ""]


def test_types_are_those_of_the_module(project):
    """Every name that the types promise is there, and every public name is promised."""
    text = (project / "index.d.ts").read_text()
    found = _node(
        project,
        """
        import * as net from "./index.js";
        const sww = await net.loadSww();
        const own = Object.getOwnPropertyNames(Object.getPrototypeOf(sww));
        console.log(JSON.stringify([Object.keys(net), [...own, ...Object.keys(sww)]]));
        """,
    )
    exported, members = found
    for name in set(exported) - {"Model"}:
        assert f"export function {name}(" in text
    for name in set(members) - {"constructor"}:
        assert f"    {name}(" in text or f"    readonly {name}:" in text, name


def test_the_target_of_a_web_project(models, tmp_path):
    create_project(
        [models / "kws_int8.tflite"], tmp_path / "kws", target="portable", template="web"
    )
    assert read_project(tmp_path / "kws").target.name == "wasm32"
