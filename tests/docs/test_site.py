"""The documentation site: it builds without a warning, needs no network, and can be searched."""

import ast
import http.server
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

import edgeq
from edgeq.cli.main import COMMANDS, cli
from tests.tools import need

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))

# The outer page's load event waits for a picture, which the server holds back; then the outer page
# takes over what the search in the inner one has found.
SEARCH = """<iframe id="inner" width="1280" height="900" src="index.html?q=arena"></iframe>
<img src="late.png">
<script>
addEventListener("load", () => {
  const inner = document.getElementById("inner").contentDocument;
  const found = inner.querySelectorAll(".md-search-result__link");
  document.body.textContent = "found: " + [...found].map((a) => a.getAttribute("href")).join(" ");
});
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    words = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_no_page_asks_another_host_for_anything(site):
    for page in site.rglob("*.html"):
        loads = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="([^"]+)"', page.read_text()
        )
        assert "Sentinel." not in page.read_text(), page
        assert not [url for url in loads if url.startswith(("http:", "https:", "//"))], page


@pytest.mark.slow
def test_every_page_and_anchor_that_is_linked_exists(site):
    for page in site.rglob("*.html"):
        for link in re.findall(r'<a\b[^>]*?href="([^"]+)"', page.read_text()):
            if link.startswith(("http:", "https:", "mailto:")) or page.name == "404.html":
                continue
            path, _, anchor = link.partition("#")
            file = (page.parent / path.partition("?")[0]).resolve() if path else page
            file = file / "index.html" if file.is_dir() else file
            assert file.exists(), f"{page}: {link}"
            if anchor and not anchor.startswith("__"):
                ids = re.findall(r'\b(?:id|name)="([^"]+)"', file.read_text())
                assert anchor in ids, f"{page}: {link}"


@pytest.mark.slow
def test_the_search_finds_a_page_in_a_browser(site):
    chromium = shutil.which("chromium")
    need(chromium, "chromium")
    (site / "search-test.html").write_text(SEARCH)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(site))

        def do_GET(self):
            if self.path == "/late.png":
                time.sleep(15)
            super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/search-test.html"
        words = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--timeout=60000",
            "--dump-dom",
            url,
        ]
        said = subprocess.run([chromium, *words], capture_output=True, text=True, timeout=120)
        server.shutdown()
    assert "accounts.html" in said.stdout.partition("found: ")[2], said.stdout[-500:]


LINES = [
    (page.relative_to(ROOT).as_posix(), line)
    for page in PAGES
    for line in re.findall(
        r"^(?:\$ )?(edgeq [a-z].*?)(?:   #.*| &)?$",
        "\n".join(re.findall(r"```(?:sh|console)?\n(.*?)```", page.read_text(), re.DOTALL)).replace(
            "\\\n", " "
        ),
        re.MULTILINE,
    )
]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_command_line_has_a_command_with_these_options(page, line):
    words = shlex.split(re.split(r" [>;|] |; ", line)[0], comments=True)[1:]
    command = cli
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        found = command.get_command(None, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    assert command is not cli, f"{page}: no command in {line}"
    known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)}
    used = {word for word in words if re.match(r"-{1,2}[a-z]", word)}
    assert used <= known | {"--help"}, f"{page}: {line}"


BLOCKS = [
    (page.relative_to(ROOT).as_posix(), kind, text)
    for page in PAGES
    for kind, text in re.findall(
        r"^```(python|toml|yaml|json)[^\n]*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
]


@pytest.mark.parametrize(("page", "kind", "text"), BLOCKS)
def test_every_other_snippet_can_be_read_and_names_what_exists(page, kind, text):
    """Pages of the tutorials are run whole; of others, languages are parsed and names looked up."""
    if kind == "python":
        ast.parse(text)
        public = re.findall(r"\bedgeq\.(\w+)", text)
        assert [name for name in public if not hasattr(edgeq, name)] == [], page
    elif kind == "toml":
        tomllib.loads(text)
    elif kind == "yaml":
        yaml.safe_load(text)
    else:
        json.loads(text)


def test_the_messages_of_the_errors_page_are_edgeqs():
    page = (ROOT / "docs" / "guides" / "errors.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "edgeq").rglob("*.py"))
    messages = re.findall(r'^\*\*"(.*?)"\*\*', page, re.MULTILINE)
    assert len(messages) >= 10
    assert [text for text in messages if text not in source] == []


def test_the_json_page_names_the_keys_that_commands_print(models, tmp_path):
    """Of commands that need no TensorFlow; `convert` is compared where its tests run it."""
    page = (ROOT / "docs" / "reference" / "json.md").read_text()
    kws = str(models / "kws_int8.tflite")
    lines = {
        "inspect": ["inspect", kws, "--target", "nucleo-f446re"],
        "compile": ["compile", kws, "-o", str(tmp_path / "c"), "--target", "cortex-m4"],
        "verify": ["verify", kws, "--on", "sim:cortex-m4", "--against", "c", "-n", "1"],
        "profile": ["profile", kws, "--on", "sim:cortex-m4"],
    }
    for command, words in lines.items():
        assert command in COMMANDS
        run = [sys.executable, "-m", "edgeq", *words, "--json"]
        said = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
        table = page.partition("{#" + command + "}")[2].partition("\n## ")[0]
        first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
        shown = set(re.findall(r"`(\w+)`", " ".join(first)))
        assert shown == set(json.loads(said.stdout)), command
