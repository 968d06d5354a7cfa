"""Outputs: whole or not at all, and an error where there is no room."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeq.cli import main as command_line
from edgeq.errors import EdgeqError
from edgeq.support.output import check_writable, whole_directory, write_results, write_whole


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


@pytest.mark.parametrize("full", ["output", "cache"])
def test_the_disk_that_is_full_is_named(models, tmp_path, full):
    disk = tmp_path / "disk"
    disk.mkdir()
    output = disk / "c" if full == "output" else tmp_path / "y.npy"
    np.save(tmp_path / "x.npy", np.zeros((1, 640), np.int8))
    words = f"compile -o {output}" if full == "output" else f"run --on c -i x.npy -o {output}"
    command, *rest = words.split()
    mount = f'mount -t tmpfs -o size=64k none {disk} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-m", "edgeq", command,
         str(models / "ad01_int8.tflite"), *rest],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "EDGEQ_CACHE": str(disk if full == "cache" else tmp_path / "cache")},
    )  # fmt: skip
    if "unshare failed" in done.stderr or done.returncode == 32:
        pytest.skip("only root mounts a disk")
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr
    assert str(disk) in done.stderr
    assert ("EDGEQ_CACHE" in done.stderr) == (full == "cache")


@pytest.mark.parametrize("words", ["profile MODEL --on c", "verify MODEL --on sim:cortex-m4"])
def test_no_folder_for_temporary_files(models, words, cli):
    """In a container that is read-only, or on a full disk; Python's error has no errno then."""
    command, _, *rest = words.split()
    assert cli(command, models / "ad01_int8.tflite", *rest).code == 0  # the cache has what it needs
    limit = 'ulimit -f 0 && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", limit, "sh", sys.executable, "-m", "edgeq", command,
         str(models / "ad01_int8.tflite"), *rest],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no folder takes temporary files; set TMPDIR")


@pytest.mark.parametrize("letter", ["n", "\N{SNOWMAN}"])
def test_the_longest_names(tmp_path, letter):
    name = letter * (255 // len(letter.encode()))
    write_whole(tmp_path / name, b"x")
    (tmp_path / name).unlink()
    for force in (False, True):
        with whole_directory(tmp_path / name, force=force) as work:
            (work / "manifest.json").write_text('{"edgeq": "1"}')
    assert [path.name for path in tmp_path.iterdir()] == [name]


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
    (folder / "manifest.json").write_text('{"edgeq": "0.1.0"}')
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
    assert [file.name for file in folder.iterdir()] == ["manifest.json"]
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


@pytest.mark.parametrize("kind", ["device", "pipe", "link to a device"])
@pytest.mark.parametrize("folder", [False, True])
def test_what_is_no_file_is_never_replaced(tmp_path, kind, folder):
    node = tmp_path / "node"
    if kind == "pipe":
        os.mkfifo(node)
    elif kind == "device":
        try:
            os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # a null device of our own
        except OSError:
            pytest.skip("only root makes devices")
    else:
        node.symlink_to(os.devnull)
    before = node.lstat()
    for force in (False, True):
        with pytest.raises(EdgeqError, match=r"is a (device|pipe)"):
            check_writable(node, force=force, folder=folder)
    with pytest.raises(EdgeqError, match=r"is a (device|pipe)"):
        write_whole(node, b"abc")
    with (
        pytest.raises(EdgeqError, match=r"is a (device|pipe)"),
        whole_directory(node, force=True) as work,
    ):
        (work / "new").touch()
    assert node.lstat() == before
    assert list(tmp_path.iterdir()) == [node]


@pytest.mark.parametrize(
    ("record", "content"),
    [
        (None, ""),
        ("manifest.json", '{"manifest_version": 3, "name": "an extension of a browser"}'),
        ("manifest.json", "[1]"),
        ("manifest.json", "{"),
    ],
)
def test_a_folder_of_the_users_own_is_not_replaced(tmp_path, record, content):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    if record:
        (folder / record).write_text(content)
    with (
        pytest.raises(EdgeqError, match="edgeq did not make it"),
        whole_directory(folder, force=True),
    ):
        pass
    assert (folder / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("record", "content"),
    [
        ("manifest.json", '{"edgeq": "0.1.0"}'),
        ("manifest.json", '{"manifest": {"edgeq": "0.1.0"}, "signature": null}'),
        ("edgeq-project.json", '{"edgeq": "0.1.0"}'),
        (None, ""),
    ],
)
def test_an_earlier_result_or_an_empty_folder_is_replaced(tmp_path, record, content):
    folder = tmp_path / "own"
    folder.mkdir()
    if record:
        (folder / record).write_text(content)
    with whole_directory(folder, force=True) as work:
        (work / "new").touch()
    assert [file.name for file in folder.iterdir()] == ["new"]


def test_a_git_repository_is_not_replaced(tmp_path):
    (tmp_path / "own" / ".git").mkdir(parents=True)
    (tmp_path / "own" / "edgeq-project.json").write_text('{"edgeq": "0.1.0"}')
    with pytest.raises(EdgeqError, match="git repository"):
        check_writable(tmp_path / "own", force=True, folder=True)


def test_a_file_is_no_folder_even_with_force(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"precious")
    with (
        pytest.raises(EdgeqError, match="is a file"),
        whole_directory(tmp_path / "m.tflite", force=True),
    ):
        pass
    assert (tmp_path / "m.tflite").read_bytes() == b"precious"


@pytest.mark.parametrize("given", ["{}", "{}:x,y", "other.npy,{}", "{}/../x.npz"])
@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_no_output(tmp_path, monkeypatch, given, force):
    monkeypatch.chdir(tmp_path)
    Path("x.npz").touch()
    Path("sub").mkdir()
    text = given.format("sub" if ".." in given else "x.npz")
    with pytest.raises(EdgeqError, match="is the input"):
        check_writable(tmp_path / "x.npz", force=force, inputs=(None, 7, text))
    check_writable(tmp_path / "y.npz", force=force, inputs=(text,))


def test_a_folder_that_holds_an_input_is_not_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text('{"edgeq": "0.1.0"}')
    (tmp_path / "m.tflite").touch()
    with pytest.raises(EdgeqError, match="holds the input"):
        check_writable(tmp_path, force=True, folder=True, inputs=[tmp_path / "m.tflite"])


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "in.tflite", "-o", "in.tflite", "--target", "cortex-m4"),
        ("convert", "m.keras", "-o", "in.tflite", "--data", "in.tflite:x"),
        ("compile", "in.tflite", "-o", "in.tflite"),
        ("compile", "in.tflite", "-o", "in.tflite", "--project", "sources"),
        ("report", "in.json", "-o", "in.json"),
        ("run", "in.tflite", "--on", "local", "-i", "in.npz", "-o", "in.npz"),
        ("features", "micro", "--data", "in.npz:x", "-o", "in.npz"),
        ("compress", "equalize", "in.keras", "-o", "in.keras"),
        ("compress", "qat", "m.keras", "--data", "in.keras:x,y", "-o", "in.keras"),
        ("drift", "save", "in.tflite", "--data", "in.npz", "-o", "in.npz"),
        ("deploy", "in.tflite", "-o", "in.tflite", "--target", "cortex-m4"),
        ("verify-manifest", "in.json", "--card", "in.json"),
        ("tune", "t/best.tflite", "--data", "d.npz", "--eval", "d.npz", "-o", "t"),
        ("convert", "m.keras", "-o", "in.json", "--data", "d.npz", "--labels", "in.json"),
        ("convert", "m.keras", "-o", "in.py", "--data", "d.npz", "--import", "in.py"),
        ("convert", "m.keras", "-o", "in.npz", "--data", "d.npz", "--eval", "in.npz:x,y"),
        ("convert", "m.keras", "-o", "in.json", "--target", "./in.json", "--data", "d.npz"),
        ("run", "m.tflite", "-i", "x.npy", "-o", "in.json", "--on", "c", "--frontend", "in.json"),
        (
            "compress",
            "distill",
            "m.keras",
            "-o",
            "in.keras",
            "--data",
            "d.npz",
            "--teacher",
            "in.keras",
        ),
        ("verify-manifest", "m.json", "--card", "in.json", "--key", "in.json"),
        ("verify-manifest", "m.json", "--card", "in.json", "--source", "in.json"),
        ("verify-manifest", "m.json", "--card", "in.json", "--newer-than", "in.json"),
        ("deploy", "m.tflite", "-o", "in.json", "--frontend", "in.json"),
    ],
)
def test_no_command_writes_over_what_it_reads(cli, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    Path("t").mkdir()
    for name in ("in.tflite", "in.json", "in.npz", "in.keras", "in.py", "t/best.tflite"):
        Path(name).write_bytes(b"def precious(): 0")
    done = cli(*words, "--force")
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    for name in ("in.tflite", "in.json", "in.npz", "in.keras", "in.py", "t/best.tflite"):
        assert Path(name).read_bytes() == b"def precious(): 0"
    assert "is the input" in done.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_below_one_that_takes_none():
    with (
        pytest.raises(EdgeqError, match="cannot be written"),
        whole_directory(Path("/proc/x/y"), force=False),
    ):
        pass


def compiled(cli, models, folder):
    done = cli("compile", models / "ad01_int8.tflite", "-o", folder, "--name", "ad01", "--force")
    return done.code, done.err


@pytest.mark.parametrize("stranger", ["notes.txt", "src/mine.c", "link.c"])
def test_a_file_of_the_users_in_a_folder_of_edgeqs_is_not_lost(cli, models, tmp_path, stranger):
    folder = tmp_path / "c"
    assert compiled(cli, models, folder)[0] == 0
    assert compiled(cli, models, folder)[0] == 0
    mine = folder / stranger
    mine.parent.mkdir(exist_ok=True)
    if stranger == "link.c":
        mine.symlink_to(folder / "ad01.c")
    else:
        mine.write_text("precious")
    code, said = compiled(cli, models, folder)
    assert (code, f"{stranger} is not edgeq's" in said) == (1, True)
    assert mine.exists()


def test_a_generated_file_that_the_user_edited_is_not_lost(cli, models, tmp_path):
    folder = tmp_path / "fw"
    words = ("--project", "bare-metal", "--target", "nucleo-f446re", "--force", "--no-golden")
    model = models / "ad01_int8.tflite"
    assert cli("compile", model, "-o", folder, *words).code == 0
    (folder / "build").mkdir()
    (folder / "build" / "image.elf").touch()  # what a build made, it makes again
    assert cli("compile", model, "-o", folder, *words).code == 0
    main = folder / "src" / "main.c"
    main.write_text(main.read_text() + "/* mine */\n")
    done = cli("compile", model, "-o", folder, *words)
    assert (done.code, "src/main.c was changed since edgeq wrote it" in done.err) == (1, True)
    assert main.read_text().endswith("/* mine */\n")


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o700), (0o022, 0o755), (0, 0o777)])
def test_folders_obey_the_umask(tmp_path, mask, mode):
    """The folder of a compiled model was open to others, and its files were not."""
    before = os.umask(mask)
    try:
        with whole_directory(tmp_path / "made", force=False):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == mode


def test_threads_that_write_at_once_leave_the_umask_as_it_is(tmp_path, monkeypatch):
    """It was 0 for good, and every later file open to all, where two had read it at once."""
    mask, seen = [0o027], []

    def umask(new):
        seen.append(new)
        time.sleep(0.002)
        old, mask[0] = mask[0], new
        time.sleep(0.002)
        return old

    monkeypatch.setattr(os, "umask", umask)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write_whole(tmp_path / str(n), b"a"), range(16)))
    assert mask == [0o027]
    assert min(seen) > 0
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize(("private", "new"), [(False, 0o644), (True, 0o600)])
def test_files_that_are_replaced_keep_their_mode(tmp_path, private, new):
    """A report that was closed to others was open to them after --force."""
    before = os.umask(0o022)
    try:
        for name, mode in {"new": None, "closed": 0o600, "group": 0o660}.items():
            path = tmp_path / name
            if mode is not None:
                path.touch()
                path.chmod(mode)
            write_whole(path, b"abc", private=private)
            assert path.stat().st_mode & 0o777 == (mode or new), name
        (tmp_path / "link").symlink_to("group")
        write_whole(tmp_path / "link", b"abc", private=private)
        assert (tmp_path / "link").lstat().st_mode & 0o777 == new
    finally:
        os.umask(before)


def test_what_came_to_be_meanwhile_stays_and_the_result_lies_beside(tmp_path):
    """The output was looked at when the command began, and another's file was replaced."""
    path = tmp_path / "o.tflite"
    check_writable(path, force=False)
    path.write_text("precious")
    (tmp_path / "o-2.tflite").write_text("precious too")
    for number in (3, 4):
        with pytest.raises(EdgeqError, match=rf"exists already.*lies in '.*o-{number}\.tflite'"):
            write_results({path: b"abc"}, force=False)
        assert (tmp_path / f"o-{number}.tflite").read_bytes() == b"abc"
    assert [path.read_text(), (tmp_path / "o-2.tflite").read_text()] == ["precious", "precious too"]
    write_results({path: b"abc"}, force=True)
    assert path.read_bytes() == b"abc"
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("taken", ["o.frontend.toml", "o.tflite"])
@pytest.mark.parametrize("kind", ["file", "folder", "dead link"])
def test_files_that_belong_together_stay_together(tmp_path, taken, kind):
    place = tmp_path / taken
    if kind == "file":
        place.write_text("precious")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    files = {tmp_path / "o.frontend.toml": "front", tmp_path / "o.tflite": b"model"}
    with pytest.raises(EdgeqError, match=f"{taken}' exists already.*o-2.tflite"):
        write_results(files, force=False)
    made = {"o-2.frontend.toml", "o-2.tflite"}
    assert {each.name for each in tmp_path.iterdir()} == {taken, *made}
    assert (tmp_path / "o-2.tflite").read_bytes() == b"model"
    assert kind != "file" or place.read_text() == "precious"


def test_files_that_cannot_all_be_written_are_none(tmp_path):
    (tmp_path / "o.frontend.toml").write_text("before")
    (tmp_path / "o.tflite").mkdir()
    files = {tmp_path / "o.frontend.toml": "front", tmp_path / "o.tflite": b"model"}
    with pytest.raises(EdgeqError, match="is a folder"):
        write_results(files, force=True)
    assert (tmp_path / "o.frontend.toml").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_without_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    write_results({tmp_path / "a": b"abc"}, force=False)
    with pytest.raises(EdgeqError, match=r"lies in '.*a-2'"):
        write_results({tmp_path / "a": b"def"}, force=False)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        "a": b"abc",
        "a-2": b"def",
    }


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_came_to_be_meanwhile_stays(tmp_path, force):
    folder = tmp_path / "out"
    with (
        pytest.raises(EdgeqError, match=r"while this command worked.*lies in '.*out-2'"),
        whole_directory(folder, force=force) as work,
    ):
        (work / "new").touch()
        folder.mkdir()
        (folder / "notes.txt").write_text("precious")
    assert [each.name for each in folder.iterdir()] == ["notes.txt"]
    assert [each.name for each in (tmp_path / "out-2").iterdir()] == ["new"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_put_into_an_earlier_result_meanwhile_stays(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"edgeq": "0.1.0", "digests": {"gone.c": "0"}}')
    with (
        pytest.raises(EdgeqError, match=r"notes\.txt is not edgeq's.*lies in '.*out-2'"),
        whole_directory(folder, force=True) as work,
    ):
        (work / "new").touch()
        (folder / "notes.txt").write_text("precious")
    assert {each.name for each in folder.iterdir()} == {"manifest.json", "notes.txt"}
    assert [each.name for each in (tmp_path / "out-2").iterdir()] == ["new"]


def test_of_two_commands_with_one_output_one_has_it(models, tmp_path):
    """Each in a process of its own; the other's result lies beside."""
    command = [
        sys.executable,
        "-m",
        "edgeq",
        "compile",
        str(models / "ad01_int8.tflite"),
        "-o",
        "c",
    ]
    begun = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(2)]
    said = [each.communicate()[1] for each in begun]
    assert sorted(each.returncode for each in begun) == [0, 1]
    assert b"exists already" in b"".join(said)
    assert (tmp_path / "c" / "manifest.json").exists()


@pytest.fixture
def anothers(tmp_path):
    """A folder that is another user's and closed; and what makes root a plain user."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root gives folders away")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "m.tflite").touch()
    os.chown(folder, 65534, 65534)
    return folder, ("setpriv", "--bounding-set", "-all", "--inh-caps=-all")


@pytest.mark.parametrize(
    "words", ["inspect DIR/m.tflite", "compile MODEL -o DIR/x", "devices list", "run DIR/m.tflite"]
)
def test_a_folder_of_another_user_is_said(models, anothers, words):
    folder, plain = anothers
    words = words.replace("DIR", str(folder)).replace("MODEL", str(models / "ad01_int8.tflite"))
    more = ["--on", "c", "-i", "x.npy", "-o", "y.npy"] if words.startswith("run") else []
    done = subprocess.run(
        [*plain, sys.executable, "-m", "edgeq", *words.split(), *more],
        capture_output=True, text=True, cwd=folder.parent, check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and str(folder) in done.stderr
    assert "Permission denied" in done.stderr or "not a writable folder" in done.stderr


def test_a_result_that_may_not_be_replaced(tmp_path, monkeypatch):
    """In a folder such as /tmp only its owner renames a file; the work is not lost."""
    folder = tmp_path / "out"
    folder.mkdir()
    rename = Path.rename

    def refused(self, target):
        if self == folder:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self), str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with (
        pytest.raises(EdgeqError, match=r"cannot be replaced: Operation not perm.*in '.*out-2'"),
        whole_directory(folder, force=True) as work,
    ):
        (work / "new").touch()
    assert [each.name for each in (tmp_path / "out-2").iterdir()] == ["new"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT])
@pytest.mark.parametrize("named", [True, False])
def test_a_disk_that_fails_is_said_where_it_has_a_name(monkeypatch, capsys, number, named):
    """An error without a file is no disk's, and keeps its traceback."""

    def failing(*_, **__):
        raise OSError(number, os.strerror(number), *(["net/m.tflite"] if named else []))

    monkeypatch.setattr(command_line.cli, "main", failing)
    with pytest.raises(SystemExit if named else OSError):
        command_line.main(["targets"])
    text = f"Error: cannot read or write: {os.strerror(number)} ('net/m.tflite')."
    assert (text in capsys.readouterr().err) == named
