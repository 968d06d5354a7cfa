"""The C that edgeq itself brings along builds clean, beside a model, on gcc and clang."""

from pathlib import Path

import pytest

import edgeq.devices.qemu as qemu
from edgeq.boards.target import load_target
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.image import shipped_text
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.devices.sim import watch
from tests.devices.tiny import tiny_model


@pytest.mark.parametrize("toolchain", ["gcc", "zig"])
@pytest.mark.parametrize("cpu", qemu.BOARDS)
@pytest.mark.parametrize("hook", [0, 1, 2])
def test_harness(cpu, toolchain, hook, monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    model = tiny_model()
    model.manifest["cflags"] = ["-O2", *WARNINGS]
    with qemu.QemuSession(f"qemu:{cpu}", load_target(cpu), model) as session:
        session._link(hook)


@pytest.mark.parametrize("toolchain", ["gcc", "zig"])
def test_host_code(toolchain, monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    files = {
        "hooks.c": Path(watch._SOURCE).read_text(),
        "eq_trace.c": shipped_text("hooks/eq_trace.c"),
        "eq_trace.h": shipped_text("hooks/eq_trace.h"),
    }
    build(host_toolchain(), files, ["-fPIC", *WARNINGS], ["-shared"], "all.so")
    plugin = {"plugin.c": Path(watch._SOURCE).with_name("plugin.c").read_text()}
    build(host_toolchain(), plugin, ["-fPIC", *WARNINGS], ["-shared"], "plugin.so")
