"""The signed manifest: it holds, and every kind of tampering is named."""

import json
import shutil
import subprocess

import pytest

import edgeq
from edgeq.errors import EdgeqError
from edgeq.manifest import check_manifest
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


def test_another_source(copy, models):
    with pytest.raises(EdgeqError, match="none of the recorded sources"):
        check_manifest(copy / "manifest.json", sources=[models / "kws_int8.tflite"])


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
