"""The cache of built things: damaged, shared, full, read-only."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from edgeq.compiler.build.cache import cache_dir, cached
from edgeq.errors import EdgeqError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(folder):
    build.times += 1
    (folder / "a.bin").write_bytes(b"abc")
    (folder / "b.bin").write_bytes(b"")


build.times = 0


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "gone", "more", "no list"])
def test_what_was_damaged_is_built_again(damage):
    build.times = 0
    place = cached(["x"], build)
    assert cached(["x"], build) == place
    assert build.times == 1
    file = place / "a.bin"
    if damage == "gone":
        file.unlink()
    elif damage == "more":
        (place / "c.bin").touch()
    elif damage == "no list":
        (place / "contents.sha256").unlink()
    else:
        file.write_bytes({"cut": b"ab", "empty": b"", "other": b"abd"}[damage])
    assert cached(["x"], build) == place
    assert build.times == 2
    assert file.read_bytes() == b"abc"
    assert len(list(place.iterdir())) == 3


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder in it"])
def test_what_stands_in_the_place_of_a_folder_makes_way(tmp_path, kind):
    place = cached(["x"], build)
    shutil.rmtree(place)
    (other := tmp_path / "other").mkdir()
    (other / "mine.bin").touch()
    if kind == "file":
        place.touch()
    elif kind == "folder in it":
        (place / "a.bin").mkdir(parents=True)
    else:
        place.symlink_to(other if kind == "link" else tmp_path / "nothing")
    assert cached(["x"], build) == place
    assert (place / "a.bin").read_bytes() == b"abc"
    assert (other / "mine.bin").exists()


def test_what_cannot_be_replaced_is_never_taken(cache, monkeypatch):
    place = cached(["x"], build)
    (place / "a.bin").write_bytes(b"ab")
    monkeypatch.setattr(shutil, "rmtree", lambda *given, **how: None)
    with pytest.raises(EdgeqError, match="damaged in the cache cannot be replaced"):
        cached(["x"], build)


@pytest.mark.parametrize("on", ["c", "sim:cortex-m4"])
def test_damaged_images_are_never_loaded(cache, models, tmp_path, on):
    """Half a shared library ends the process that loads it."""
    np.save(tmp_path / "x.npy", np.zeros((2, 640), np.int8))
    command = [
        sys.executable,
        "-m",
        "edgeq",
        "run",
        models / "ad01_int8.tflite",
        "--on",
        on,
        "--input",
        tmp_path / "x.npy",
    ]
    command += ["--output", tmp_path / "y.npy", "--force"]
    subprocess.run(command, check=True)
    wanted = (tmp_path / "y.npy").read_bytes()
    images = [file for kind in ("*.so", "*.elf", "*.o") for file in cache.rglob(kind)]
    assert images
    for image in images:
        image.write_bytes(image.read_bytes()[:1000])
    subprocess.run(command, check=True)
    assert (tmp_path / "y.npy").read_bytes() == wanted


def test_many_processes_in_one_cache(cache, tmp_path):
    code = (
        "import sys; from pathlib import Path; from edgeq.compiler.build.cache import cached\n"
        "def build(folder):\n"
        "    [(folder / f'{n}.bin').write_bytes(bytes(50_000)) for n in range(20)]\n"
        "for turn in range(20):\n"
        "    place = cached([str(turn)], build)\n"
        "    assert sum(f.stat().st_size for f in place.glob('*.bin')) == 1_000_000, place\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [worker.wait(120) for worker in workers] == [0] * 4
    assert len(list((cache / "build").iterdir())) == 20


def test_an_interrupted_build_leaves_nothing(cache):
    def interrupted(folder):
        (folder / "a.bin").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(["x"], interrupted)
    assert not list((cache / "build").iterdir())


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EdgeqError, match="cache cannot be written") as caught:
        cached(["x"], build)
    assert "EDGEQ_CACHE" in caught.value.hint


def test_use_is_remembered(cache):
    place = cached(["x"], build)
    os.utime(place, (1, 1))
    cached(["x"], build)
    assert time.time() - place.stat().st_mtime < 60


def test_only_what_the_cache_has_made_is_ever_deleted(cache, monkeypatch):
    """A cache that was pointed at a project's folder took its `build` for its own."""
    mine = [cache / "build" / name for name in ("release", "0123456789abcdef0123456789abcdef")]
    for folder in mine:
        folder.mkdir(parents=True)
        (folder / "thesis.txt").write_text("years")
    monkeypatch.setattr("edgeq.compiler.build.cache._CAP_BYTES", 0)
    monkeypatch.setattr("edgeq.compiler.build.cache._PRUNE_EVERY_S", 0)
    first, second = cached(["a"], build), cached(["b"], build)
    assert not first.exists() and second.exists()
    assert all((folder / "thesis.txt").read_text() == "years" for folder in mine)


def test_an_empty_name_of_a_cache_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "usual"))
    assert cache_dir() == tmp_path / "usual" / "edgeq"
