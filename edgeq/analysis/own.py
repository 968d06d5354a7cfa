"""Whether what was measured is a target's own: its core and kernels, or its kind of machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.analysis.models import is_integer
from edgeq.boards.target import Target, load_target, target_called
from edgeq.compiler.compilation import isa_of
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.host_c import host_target
from edgeq.model.model_file import read_graph

_HERE = ("c", "local", "tflm")
# What the kernels of hosts call the CPUs that edgeq knows.
_MACHINES = {"x86-64": "x86_64", "aarch64": "aarch64", "armv7": "armv7l"}
_ANDROID = ("android", "termux")
_LONG_ENOUGH = 5  # for a part number: SM8550


def runs_own_code(
    device: Mapping[str, Any],
    target: Target,
    model: Path | None = None,
    options: CompileOptions | None = None,
) -> bool:
    """Whether what ran on a device is the target's own core with the target's own kernels.

    Args:
        device: What it says of itself, its "address" at least. A board or a host that says nothing
            is nobody's own.
        target: The target.
        model: The .tflite, which may do without what only one of the two cores has: integers need
            no FPU. Without it the cores must be the same in all.
        options: What its C is made for.
    """
    where = parse_address(str(device["address"]))
    if where.scheme in ("sim", "qemu"):
        return _same_core(load_target(where.rest), target, model, options)
    if where.scheme == "wasm":
        return target.cpu == "wasm32"
    if where.scheme in _HERE:
        # A kind of computer, not one computer: this machine is one of its kind.
        return _is_general(target) and target.cpu == host_target().cpu and not target.phone
    if where.scheme == "serial":
        told = str(device.get("target") or "")
        other = target_called(told)
        if other is not None and target.kind == "cpu":
            return _same_core(other, target, model, options)
        return told == target.name
    return where.scheme in ("ssh", "adb") and _is_of_its_kind(device, target)


def other_machine(device: Mapping[str, Any], target: Target) -> str:
    """Of a machine or board that is not of the target's kind: what it says that it is; else "" ."""
    if parse_address(str(device["address"])).scheme not in ("ssh", "adb", "serial"):
        return ""
    told = [str(device[key]) for key in ("target", "soc", "cpu") if device.get(key)]
    words = ", ".join(dict.fromkeys(told)) or "nothing"
    more = ""
    if target.kind == "host" and device.get("architecture") == _MACHINES.get(target.cpu):
        more = '; a target file of your own with board = "..." under [host] names another'
    return f"{device['address']} says that it is {words}, which is no {target.title}{more}"


def _same_core(
    other: Target, target: Target, model: Path | None, options: CompileOptions | None
) -> bool:
    if other.cpu != target.cpu:
        return False
    ours, theirs = isa_of(other).kernels, isa_of(target).kernels
    if ours == theirs or model is None:
        return ours == theirs
    same = [name for name in ours if name != "fpu"] == [n for n in theirs if n != "fpu"]
    return same and _in_integers(model, options or CompileOptions())


def _in_integers(model: Path, options: CompileOptions) -> bool:
    """Whether a program computes in integers alone, its front end too."""
    front = options.frontend
    return is_integer(read_graph(model)) and (front is None or front.precision == "int16")


def _is_general(target: Target) -> bool:
    return target.kind == "cpu" or target.name.startswith("generic-")


def _is_of_its_kind(device: Mapping[str, Any], target: Target) -> bool:
    """Whether a host behind a link is one of the target's kind, by its own words."""
    if target.cpu not in _MACHINES or device.get("architecture") != _MACHINES[target.cpu]:
        return False
    if target.kind == "cpu":
        return True
    if target.phone != (device.get("system") in _ANDROID):
        return False
    if _is_general(target):
        return True
    board = _words(target.host.get("board") or target.title)
    if _words(str(device.get("target") or ""))[: len(board)] == board:
        return True
    return _is_chip(str(device.get("soc") or ""), target.host.get("soc", ""))


def _words(name: str) -> list[str]:
    """The words of a name, as the device tree spells it: "Raspberry Pi 3 Model B Plus"."""
    plain = re.sub(r"\([^()]*\)", "", name.lower()).replace("+", " plus ")
    return re.findall(r"[a-z0-9]+", plain)


def _is_chip(told: str, wanted: str) -> bool:
    """Whether "SM8550-AC" is "Qualcomm SM8550", and "Tensor G3" is "Google Tensor G3"."""
    ours, theirs = _words(told), _words(wanted)
    if not ours or not theirs:
        return False
    number = theirs[-1]
    has_number = len(number) >= _LONG_ENOUGH and any(each.isdigit() for each in number)
    return theirs[-len(ours) :] == ours or (has_number and ours[0].startswith(number))
