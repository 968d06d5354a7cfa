"""A pushed wheel is unpacked beside itself, once, and again where a disk has damaged the files."""

import zipfile

import pytest

from edgeq.devices.far.interpreter import unpacked


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("runtime/__init__.py", "")
        archive.writestr("runtime/answers.py", "ANSWER = 42\n" * 100)
    return path


@pytest.mark.parametrize("damage", ["bytes", "end", "gone"])
def test_what_is_damaged_is_unpacked_again(wheel, damage):
    folder = wheel.parent / "some.whl.d"
    assert unpacked(str(wheel)) == str(folder)
    file = folder / "runtime" / "answers.py"
    good, before = file.read_bytes(), file.stat().st_ino
    unpacked(str(wheel))
    assert file.stat().st_ino == before
    if damage == "bytes":
        file.write_bytes(good[:500] + bytes(100) + good[600:])
    elif damage == "end":
        file.write_bytes(good[:500])
    else:
        file.unlink()
    assert unpacked(str(wheel)) == str(folder)
    assert file.read_bytes() == good
    assert [path.name for path in wheel.parent.iterdir()].count("some.whl.d") == 1
