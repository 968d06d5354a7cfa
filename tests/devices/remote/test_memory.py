"""What a device said last time, kept in the one cache."""

from edgeq.devices.remote import artifacts, memory


def test_it_lies_in_the_cache_and_need_not(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))
    memory.remember("pi", "", {"boot": "b"})
    assert memory.recall("pi", "") == {"boot": "b"}
    assert memory.recall("pi", "/other") == {}
    assert artifacts.agent().path.is_relative_to(tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "gone")
    (tmp_path / "cache").write_text("no folder")
    memory.remember("pi", "", {"boot": "c"})
    assert memory.recall("pi", "") == {}


def test_another_probe_asks_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    memory.remember("pi", "", {"boot": "b"})
    changed = tmp_path / "bootstrap.sh"
    changed.write_bytes(memory._PROBE.read_bytes() + b"section more\n")
    monkeypatch.setattr(memory, "_PROBE", changed)
    assert memory.recall("pi", "") == {}
