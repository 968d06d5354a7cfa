"""The signed manifest: it holds, and every kind of tampering is named."""

import hashlib
import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

import edgeq
from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import cross_toolchain
from edgeq.errors import EdgeqError
from edgeq.workflow.manifest import _sources, source_digest
from edgeq.workflow.manifest_check import check_manifest
from tests.tools import need


def make_key(folder, name):
    need(shutil.which("ssh-keygen"), "ssh-keygen")
    key = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True
    )
    return key


@pytest.fixture(scope="module")
def deployed(models, tmp_path_factory):
    """A signed deployment of a published integer model, and its key."""
    folder = tmp_path_factory.mktemp("signed")
    key = make_key(folder, "key")
    deployment = edgeq.deploy(
        edgeq.DeployConfig(
            model=str(models / "ad01_int8.tflite"),
            target="cortex-m4",
            on="c",
            verify=3,
            output=str(folder / "out"),
            sign=str(key),
        )
    )
    assert deployment.met
    return folder


def test_figures_are_those_of_the_target(deployed, cli, tmp_path):
    """Sizes of the machine that stood in for the target were called measured, and signed."""
    folder = deployed / "out"
    result = json.loads((folder / "deploy.json").read_text())
    memory = result["account"]["memory_bytes"]
    assert result["profile"]["memory_bytes"] == memory
    assert result["profile"]["kinds"]["memory_bytes.flash_total"] == "measured"
    content = json.loads((folder / "manifest.json").read_text())["manifest"]
    assert content["figures"]["flash_total"] == memory["flash_total"]
    # The compiler is that of the target's image, not this machine's own.
    assert content["tools"]["compiler"] == cross_toolchain(load_target("cortex-m4")).version
    assert content["kinds"]["stack"] == "stand-in" and "flash_total" not in content["kinds"]
    card = tmp_path / "card.md"
    assert cli("verify-manifest", folder, "--card", card).code == 0
    assert f"| stack | {memory['stack']:,} (stand-in) |" in card.read_text()
    assert f"| flash total | {memory['flash_total']:,} |" in card.read_text()


def test_every_file_of_the_user_s_is_among_the_sources(tmp_path):
    """Labels in a file of their own, a metric and a board were not, but for their paths."""
    for name in ("x.npy", "y.npy", "mine.py", "board.toml"):
        (tmp_path / name).write_text(name)
    place = str(tmp_path)
    found = {}
    for data, label in (
        (f"{place}/x.npy", "y.npy"), (f"{place}/x.npy:y.npy", None), (f"{place}/x.npy,y.npy", None)
    ):  # fmt: skip
        config = edgeq.DeployConfig(
            f"{place}/x.npy",
            eval=data,
            metric=f"{place}/mine.py:error",
            target=f"{place}/board.toml",
            reading=edgeq.DatasetOptions(label=label),
        )
        found = {name: source_digest(text) for name, text in _sources(config)}
        assert found["labels"] == hashlib.sha256(b"y.npy").hexdigest()
        assert found["metric"] == hashlib.sha256(b"mine.py").hexdigest()
        assert found["target"] == hashlib.sha256(b"board.toml").hexdigest()
        assert found["eval"] == hashlib.sha256(b"x.npy").hexdigest()


def test_kinds_are_compared_where_they_are_written(copy):
    change(copy / "manifest.json", lambda whole: whole.update(signature=None))
    change(copy / "manifest.json", lambda whole: whole["manifest"].update(kinds={}))
    with pytest.raises(EdgeqError, match="the kinds of the manifest"):
        check_manifest(copy)
    change(copy / "manifest.json", lambda whole: whole["manifest"].pop("kinds"))
    check_manifest(copy)
    with pytest.raises(EdgeqError, match="none of the recorded sources"):
        edgeq.check_manifest(str(copy), sources=str(copy / "deploy.json"))


@pytest.fixture
def copy(deployed, tmp_path):
    shutil.copytree(deployed / "out", tmp_path / "out")
    return tmp_path / "out"


def change(path, edit):
    whole = json.loads(path.read_text())
    edit(whole)
    path.write_text(json.dumps(whole))


def test_it_holds(cli, deployed, models, tmp_path):
    manifest = deployed / "out" / "manifest.json"
    card = tmp_path / "card.md"
    done = cli(
        "verify-manifest", manifest, "--key", deployed / "key.pub", "--card", card,
        "--source", models / "ad01_int8.tflite", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["files"] >= 8
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", deployed / "key.pub"], capture_output=True, text=True, check=True
    )
    assert done.json["signed_by"] in shown.stdout
    assert done.json["trusted"]
    assert done.json["met"]
    assert (
        "arm" in done.json["manifest"]["tools"]["compiler"]
        or "gcc" in (done.json["manifest"]["tools"]["compiler"])
    )
    assert "264,192" in card.read_text()
    assert "Accepted: yes" in card.read_text()


@pytest.mark.parametrize("name", ["ad01_int8.tflite", "report.html", "c/ad01_int8.c"])
def test_a_changed_file(copy, name):
    path = copy / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EdgeqError, match="changed") as caught:
        check_manifest(copy / "manifest.json")
    assert name.split("/")[-1] in str(caught.value)


def test_a_missing_file(copy):
    (copy / "deploy.json").unlink()
    with pytest.raises(EdgeqError, match="missing"):
        check_manifest(copy / "manifest.json")


def test_a_better_figure(copy):
    path = copy / "manifest.json"
    change(path, lambda whole: whole["manifest"]["figures"].update(arena=1))
    with pytest.raises(EdgeqError, match="changed after signing"):
        check_manifest(path)
    change(path, lambda whole: whole.update(signature=None))
    with pytest.raises(EdgeqError, match="figures of the manifest"):
        check_manifest(path)


def fields(content, path=()):
    """Where every value of a manifest is."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from fields(value, (*path, key))


def test_no_field_can_be_changed_unnoticed(copy, deployed):
    """Each value made another, and each taken away: with a signature, all of them are noticed."""
    path = copy / "manifest.json"
    text = path.read_text()
    places = list(fields(json.loads(text)))
    assert len(places) > 60
    for place in places:
        for damage in ("other", "gone", "null", "list"):
            whole = json.loads(text)
            inner = whole
            for key in place[:-1]:
                inner = inner[key]
            old = inner[place[-1]]
            if damage == "gone":
                del inner[place[-1]]
            else:
                inner[place[-1]] = {"other": f"{old}x", "null": None, "list": [old]}[damage]
            if damage == "null" and old is None:
                continue
            path.write_text(json.dumps(whole))
            with pytest.raises(EdgeqError):
                check_manifest(path, key=deployed / "key.pub")
            if place[0] == "manifest":
                # Unsigned, some of it cannot be noticed; it must not end in a traceback either.
                path.write_text(json.dumps({**whole, "signature": None}))
                with suppress(EdgeqError):
                    check_manifest(path)


def test_names_that_stand_twice_or_beside_are_refused(copy):
    path = copy / "manifest.json"
    text = path.read_text()
    better = json.dumps({"figures": {"arena": 1}})
    path.write_text(text.replace("{", '{"manifest": ' + better + ",", 1))
    with pytest.raises(EdgeqError, match="stands twice"):
        check_manifest(path)
    path.write_text(text.replace("{", '{"approved_by": "me",', 1))
    with pytest.raises(EdgeqError, match="no manifest"):
        check_manifest(path)


def test_a_file_more(copy):
    (copy / "c" / "string.h").write_text("#define memcpy(a, b, c)")
    with pytest.raises(EdgeqError, match="not part of the deployment") as caught:
        check_manifest(copy / "manifest.json")
    assert "string.h" in str(caught.value)


def test_an_unsigned_manifest_still_agrees_with_its_files(copy):
    path = copy / "manifest.json"
    text = path.read_text()
    for edit in (
        lambda m: m.update(target="nucleo-f446re"),
        lambda m: m["model"].update(sha256="0" * 64),
        lambda m: m.update(met=False),
        lambda m: m["files"].pop("deploy.json"),
    ):
        whole = json.loads(text)
        edit(whole["manifest"])
        whole["signature"] = None
        path.write_text(json.dumps(whole))
        with pytest.raises(EdgeqError):
            check_manifest(path)


def test_what_was_not_accepted_is_not_passed_on(cli, models, tmp_path):
    made = cli(
        "deploy", models / "ad01_int8.tflite", "--on", "c", "-n", "1", "-o", tmp_path / "out",
        "--ram", "100",
    )  # fmt: skip
    assert made.code == 3
    found = cli("verify-manifest", tmp_path / "out")
    assert found.code == 3
    assert "NOT accepted" in found.out
    assert "Nobody has signed it" in found.out
    assert cli("verify-manifest", tmp_path / "out", "--json").json["met"] is False
    inside = cli("verify-manifest", tmp_path / "out", "--card", tmp_path / "out" / "card.md")
    assert inside.code == 2


def test_signatures(copy, deployed, tmp_path):
    path = copy / "manifest.json"
    other = make_key(tmp_path, "other")
    with pytest.raises(EdgeqError, match="another key"):
        check_manifest(path, key=other.with_suffix(".pub"))
    change(path, lambda whole: whole["signature"].update(value="AAAA"))
    with pytest.raises(EdgeqError, match="signature"):
        check_manifest(path)
    change(path, lambda whole: whole.update(signature={"public_key": "x"}))
    with pytest.raises(EdgeqError, match="damaged"):
        check_manifest(path)
    change(path, lambda whole: whole.update(signature=None))
    assert check_manifest(path).signed_by is None
    with pytest.raises(EdgeqError, match="nobody has signed"):
        check_manifest(path, key=deployed / "key.pub")


def test_nothing_stands_beside_key_or_signature(copy, deployed):
    """Each of these had the same key and value, and verified."""
    path = copy / "manifest.json"
    text = path.read_text()
    for edit in (
        lambda s: s.update(public_key=s["public_key"] + " approved-by-security-team"),
        lambda s: s.update(public_key=s["public_key"] + "\n"),
        lambda s: s.update(public_key=" " + s["public_key"]),
        lambda s: s.update(comment="approved"),
        lambda s: s.update(value=s["value"][:-3] + chr(ord(s["value"][-3]) + 1) + "=="),
    ):
        whole = json.loads(text)
        edit(whole["signature"])
        path.write_text(json.dumps(whole))
        with pytest.raises(EdgeqError, match="damaged"):
            check_manifest(path, key=deployed / "key.pub")
    path.write_text(text)
    assert check_manifest(path, key=deployed / "key.pub").trusted


@pytest.mark.parametrize("kind", ["folder", "file", "broken", "fifo", "replaced"])
def test_links_and_whatever_is_no_plain_file_are_strangers(copy, tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "string.h").write_text("#define memcpy(a, b, c)")
    if kind == "folder":
        (copy / "c" / "sys").symlink_to(elsewhere)
    elif kind == "file":
        (copy / "c" / "string.h").symlink_to(elsewhere / "string.h")
    elif kind == "broken":
        (copy / "c" / "string.h").symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(copy / "c" / "string.h")
    else:  # the same bytes, for now, under a name that somebody else can change
        shutil.move(copy / "c", elsewhere / "c")
        (copy / "c").symlink_to(elsewhere / "c")
    with pytest.raises(EdgeqError, match=r"not part of the deployment|missing"):
        check_manifest(copy / "manifest.json")


@pytest.mark.parametrize(
    "name", ["a\0b", "../x", "/etc/passwd", "c/../../x", "c//x", "", "x\n", "c\\x", "C:x"]
)
def test_names_that_lead_out(copy, name):
    path = copy / "manifest.json"
    change(path, lambda whole: whole["manifest"]["files"].update({name: "0" * 64}))
    change(path, lambda whole: whole.update(signature=None))
    with pytest.raises(EdgeqError, match=r"outside its folder|no manifest"):
        check_manifest(path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.update(limits=[{}]),
        lambda m: m.update(limits=[3]),
        lambda m: m.update(sources={"model": {"sha256": None}}),
        lambda m: m.update(figures={"arena": {}}),
        lambda m: m.update(tools={"python": None}),
        lambda m: m.update(target="\x1b[2J"),
        lambda m: m.update(sequence=-1),
        lambda m: m.update(created="yesterday"),
        lambda m: m["files"].update({"deploy.json": "no digest"}),
    ],
)
def test_objects_of_another_form(copy, edit):
    path = copy / "manifest.json"
    change(path, lambda whole: (edit(whole["manifest"]), whole.update(signature=None)))
    with pytest.raises(EdgeqError, match="no manifest"):
        check_manifest(path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"profile": 3}', "[" * 100_000, "nan", "\xff"])
def test_a_result_that_is_none(copy, text):
    raw = text.encode("latin-1")
    (copy / "deploy.json").write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    path = copy / "manifest.json"
    change(path, lambda whole: whole["manifest"]["files"].update({"deploy.json": digest}))
    change(path, lambda whole: whole.update(signature=None))
    with pytest.raises(EdgeqError, match=r"no result|no sound JSON"):
        check_manifest(path)


def test_a_card_is_only_text(copy, cli, tmp_path):
    from markdown_it import MarkdownIt

    evil = "<img src=x onerror=evil()> [evil](http://evil) | `x` ![x](y) *b*"
    path = copy / "manifest.json"
    for name in ("model", "data"):
        entry = {name: {"name": evil, "sha256": None}}
        change(path, lambda whole, entry=entry: whole["manifest"]["sources"].update(entry))
    change(path, lambda whole: whole.update(signature=None))
    card = tmp_path / "card.md"
    assert cli("verify-manifest", copy, "--card", card).code == 0
    tokens = MarkdownIt("commonmark").enable("table").parse(card.read_text())
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"html_inline", "link_open", "image", "em_open"}
    assert not {token.type for token in tokens} & {"html_block", "fence", "code_block"}
    assert "onerror" in card.read_text()


def test_an_older_deployment_is_refused(copy, deployed, tmp_path, cli, monkeypatch):
    path = copy / "manifest.json"
    content = json.loads(path.read_text())["manifest"]
    assert content["sequence"] == 1
    newer = tmp_path / "newer.json"
    shutil.copy(path, newer)
    change(newer, lambda whole: whole["manifest"].update(sequence=2))
    check_manifest(path, newer_than="2020-01-01")
    check_manifest(path, newer_than="0")
    for than in (newer, path, copy, "1", "2999-12-31", content["created"], content["created"][:10]):
        with pytest.raises(EdgeqError, match="not newer than"):
            check_manifest(path, newer_than=than)
    assert cli("verify-manifest", copy, "--newer-than", newer).code == 1
    # Nobody takes the check away with a file of that name.
    monkeypatch.chdir(tmp_path)
    older = tmp_path / "older.json"
    shutil.copy(path, older)
    change(older, lambda whole: whole["manifest"].update(sequence=0))
    for name in ("1", "2999-12-31"):
        shutil.copy(older, name)
        assert cli("verify-manifest", copy, "--newer-than", name).code == 1
        assert cli("verify-manifest", copy, "--newer-than", f"./{name}").code == 0
    for text in ("yesterday", "2026-02-30", "2026-13-01T00:00:00Z"):
        assert cli("verify-manifest", copy, "--newer-than", text).code == 2
    assert cli("verify-manifest", copy, "--newer-than", "0").code == 0


def test_the_older_manifest_is_signed_too(copy, deployed, tmp_path, cli):
    """With a key: one that anybody wrote says nothing about age."""
    older, public = tmp_path / "older.json", f"{deployed}/key.pub"
    shutil.copy(copy / "manifest.json", older)
    change(older, lambda whole: whole["manifest"].update(sequence=0))
    common = ("verify-manifest", copy, "--newer-than", older)
    assert cli(*common).code == 0
    done = cli(*common, "--key", public)
    assert (done.code, "changed after signing" in done.err, str(older) in done.err) == (
        1,
        True,
        True,
    )
    change(older, lambda whole: whole.update(signature=None))
    done = cli(*common, "--key", public)
    assert (done.code, "nobody has signed this" in done.err) == (1, True)
    # Its own signature holds: the same manifest, which is not newer than itself.
    shutil.copy(copy / "manifest.json", older)
    assert "not newer than" in cli(*common, "--key", public).err


def test_a_deployment_counts_those_before_it(models, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    for number in (1, 2, 3):
        edgeq.deploy(
            edgeq.DeployConfig(
                model=str(models / "ad01_int8.tflite"),
                on="c",
                verify=1,
                output=str(tmp_path / "out"),
            ),
            force=True,
        )
        content = check_manifest(tmp_path / "out").content
        assert (content["sequence"], content["created"]) == (number, "2001-09-09T01:46:40Z")


def test_another_source(copy, models):
    with pytest.raises(EdgeqError, match="none of the recorded sources"):
        check_manifest(copy / "manifest.json", sources=[models / "kws_int8.tflite"])


def test_a_source_that_cannot_be_read(cli, copy):
    """/proc/self/mem is a plain file that ends reading with an error."""
    need(Path("/proc/self/mem").exists(), "/proc")
    done = cli("verify-manifest", copy / "manifest.json", "--source", "/proc/self/mem")
    assert (done.code, "cannot read the file" in done.err) == (1, True)


def test_what_is_no_manifest_or_key(cli, copy, models, tmp_path):
    for content in ("{", "[]", '{"manifest": {}}'):
        (tmp_path / "m.json").write_text(content)
        assert cli("verify-manifest", tmp_path / "m.json").code == 1
    assert cli("verify-manifest", tmp_path / "none.json").code == 1
    (tmp_path / "bad").write_text("no key")
    done = cli(
        "deploy", models / "ad01_int8.tflite", "--on", "c", "-n", "1", "-o", tmp_path / "out2",
        "--sign", tmp_path / "bad",
    )  # fmt: skip
    assert done.code == 1
    assert "key" in done.err
    assert not (tmp_path / "out2").exists()
    bad_public = cli("verify-manifest", copy / "manifest.json", "--key", tmp_path / "bad")
    assert bad_public.code == 1
