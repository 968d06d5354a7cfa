"""Outputs: whole or not at all, and an error where there is no room."""

import errno
import os
from pathlib import Path

import pytest

from edgeq.cli import main as command_line
from edgeq.errors import EdgeqError
from edgeq.support.output import check_writable, whole_directory, write_whole


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "umask", full)
    with pytest.raises(EdgeqError, match="No space left on device"):
        write_whole(tmp_path / "a.bin", b"abc")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_that_takes_no_files():
    with pytest.raises(EdgeqError, match="cannot be written"):
        write_whole(Path("/proc/a.bin"), b"abc")


def test_a_disk_that_fills_up_elsewhere_is_no_traceback(monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal.jsonl")

    monkeypatch.setattr(command_line.cli, "main", full)
    with pytest.raises(SystemExit) as done:
        command_line.main(["targets"])
    assert done.value.code == 1
    assert "No space left on device ('journal.jsonl')" in capsys.readouterr().err


def test_a_folder_is_no_file_even_with_force(tmp_path):
    with pytest.raises(EdgeqError, match="is a folder"):
        check_writable(tmp_path, force=True)
    check_writable(tmp_path, force=True, folder=True)


@pytest.mark.parametrize("argument", ["~/x.keras", "--data=~/x.keras"])
def test_the_home_folder(monkeypatch, argument):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    seen = []
    monkeypatch.setattr(command_line.cli, "main", lambda args, **_: seen.extend(args))
    with pytest.raises(SystemExit):
        command_line.main([argument, "a=~/b", "~"])
    assert seen == [argument.replace("~", "/home/me"), "a=~/b", "~"]


@pytest.mark.parametrize("kind", ["folder", "nothing", "file"])
def test_a_link_in_the_place_of_a_folder_is_replaced(tmp_path, kind):
    """What the link leads to stays as it is, and nothing else is left behind."""
    target = tmp_path / "target"
    if kind == "folder":
        target.mkdir()
        (target / "mine").write_text("precious")
    elif kind == "file":
        target.write_text("precious")
    link = tmp_path / "out"
    link.symlink_to(target)
    with pytest.raises(EdgeqError, match="exists already"), whole_directory(link, force=False):
        pass
    with whole_directory(link, force=True) as work:
        (work / "new").write_text("x")
    assert not link.is_symlink()
    assert [file.name for file in link.iterdir()] == ["new"]
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"out"} | ({"target"} if kind != "nothing" else set())
    if kind == "folder":
        assert (target / "mine").read_text() == "precious"


@pytest.mark.parametrize("place", ["inside", "first rename", "second rename"])
def test_an_interruption_leaves_what_was_there(tmp_path, monkeypatch, place):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").touch()
    calls = []
    rename = Path.rename

    def interrupted(self, target):
        calls.append(target)
        if len(calls) == {"first rename": 1, "second rename": 2}.get(place):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_directory(folder, force=True) as work:
        (work / "new").touch()
        if place == "inside":
            raise KeyboardInterrupt
    assert [file.name for file in folder.iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_holds_where_one_is_is_not_replaced(tmp_path, monkeypatch):
    inner = tmp_path / "home" / "work"
    inner.mkdir(parents=True)
    (inner / "mine").touch()
    monkeypatch.chdir(inner)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for path in (Path(), inner, tmp_path / "home", tmp_path):
        with (
            pytest.raises(EdgeqError, match="replaced as a whole"),
            whole_directory(path, force=True),
        ):
            pass
    assert (inner / "mine").exists()


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300 + ".tflite", "loop/m.tflite"])
@pytest.mark.parametrize("command", ["inspect", "compile"])
def test_paths_that_cannot_be(cli, tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    words = ["-o", "out"] if command == "compile" else []
    done = cli(command, name, *words)
    assert done.code in (1, 2)
    assert "Error" in done.err
    assert cli("compile", "m.tflite", "-o", "out", "--target", name).code in (1, 2)
