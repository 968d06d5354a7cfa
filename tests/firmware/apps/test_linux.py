"""`compile --project linux`: built by its README's commands, for this machine and others."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeq.boards.levels import level, runs_here
from edgeq.firmware.building import build_project
from edgeq.model.arrays import dequantize, quantize
from edgeq.model.model_file import read_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need

pytestmark = pytest.mark.slow
MODELS = ("ad01", "kws", "sww")  # the others take a C compiler long, and are in the web package

_CONSUMER = """
#include <algorithm>
#include <cstdio>
#include <net.hpp>
#include <type_traits>

static_assert(net::Kws::input_elements == 490 && net::Kws::output_zero_point == -128);
static_assert(!std::is_copy_constructible_v<net::Kws> && std::is_move_constructible_v<net::Kws>);

int main()
{
    net::Kws model;
    net::Ad01 other;
    if (model.self_test() != 0 || other.self_test() != 0 || net::Kws::label(0) != nullptr) {
        return 1;
    }
    int8_t bytes[net::Kws::input_elements];
    while (std::fread(bytes, 1, sizeof(bytes), stdin) == sizeof(bytes)) {
        std::ranges::copy(bytes, model.input().begin());
        model.invoke();
        const auto output = model.output();
        std::fwrite(output.data(), 1, output.size(), stdout);
    }
    return 0;
}
"""
_CONSUMER_CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(consumer LANGUAGES CXX)
find_package(net 1 REQUIRED)
foreach(kind net net_static)
    add_executable(with_${kind} main.cpp)
    target_compile_features(with_${kind} PRIVATE cxx_std_20)
    target_compile_options(with_${kind} PRIVATE -Wall -Wextra -Wpedantic -Werror)
    target_link_libraries(with_${kind} PRIVATE net::${kind})
endforeach()
"""


def run(*command, cwd, **more):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, timeout=600, check=False, **more
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout


@pytest.fixture(scope="module")
def project(make_project):
    for tool in ("cmake", "gcc"):
        need(shutil.which(tool), tool)
    return make_project("linux", MODELS)


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    prefix = tmp_path_factory.mktemp("usr")
    build_project(project)
    run("ctest", "--test-dir", "build", cwd=project)
    run("cmake", "--install", "build", "--prefix", prefix, cwd=project)
    return prefix


def check_file(program, folder, tflm_bytes, name, *before):
    x, expected = tflm_bytes[name]
    (folder / "in.bin").write_bytes(x.tobytes())
    said = run(*before, program, "in.bin", "out.bin", cwd=folder).decode()
    assert said == f"{len(x)} calls\n"
    assert (folder / "out.bin").read_bytes() == expected.tobytes()


def test_the_example_gives_the_bytes_of_tflm(project, installed, tflm_bytes, tmp_path):
    assert "ad01: PASS 0" in run(project / "build" / "net_selftest", cwd=tmp_path).decode()
    check_file(project / "build" / "net_run", tmp_path, tflm_bytes, MODELS[0])
    (tmp_path / "in.bin").write_bytes(b"12345")
    done = subprocess.run(
        [project / "build" / "net_run", "in.bin", "out.bin"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 1
    assert b"in the middle of call 0" in done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the levels are those of x86-64")
@pytest.mark.parametrize("levels", [0, 1])
def test_a_cpu_that_lacks_levels_gets_the_same_bytes(levels, make_project, tflm_bytes, tmp_path):
    """EQ_LEVELS leaves out what is not in it, as CPUs without AVX-512, or without AVX2, do."""
    if levels and not runs_here(level("avx2")):
        pytest.skip("this machine's CPU has no avx2")
    project = make_project("linux", ("sww",))
    flags = f"-DCMAKE_C_FLAGS=-DEQ_LEVELS={levels}u"
    run("cmake", "-B", tmp_path / "build", "-S", ".", flags, cwd=project)
    run("cmake", "--build", tmp_path / "build", "--target", "net_run", cwd=project)
    check_file(tmp_path / "build" / "net_run", tmp_path, tflm_bytes, "sww")


def test_cpp_over_find_package(installed, tflm_bytes, tmp_path):
    need(shutil.which("g++"), "g++")
    (tmp_path / "main.cpp").write_text(_CONSUMER)
    (tmp_path / "CMakeLists.txt").write_text(_CONSUMER_CMAKE)
    run("cmake", "-B", "build", "-S", ".", f"-DCMAKE_PREFIX_PATH={installed}", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    x, expected = tflm_bytes["kws"]
    for kind in ("net", "net_static"):
        found = run(f"build/with_{kind}", cwd=tmp_path, input=x.tobytes())
        assert found == expected.tobytes(), kind


def test_pkg_config(project, installed, tflm_bytes, tmp_path):
    need(shutil.which("pkg-config"), "pkg-config")
    folder = next(installed.rglob("pkgconfig"))
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    found = run("pkg-config", "--cflags", "--libs", "net", cwd=tmp_path, env=environment)
    source = project / "example" / "run.c"
    run("gcc", "-std=c99", source, *found.decode().split(), "-o", "run", cwd=tmp_path)
    paths = {**os.environ, "LD_LIBRARY_PATH": str(folder.parent)}
    x, expected = tflm_bytes["ad01"]
    (tmp_path / "in.bin").write_bytes(x.tobytes())
    run("./run", "in.bin", "out.bin", cwd=tmp_path, env=paths)
    assert (tmp_path / "out.bin").read_bytes() == expected.tobytes()


def test_soname_and_symbols(installed):
    need(shutil.which("readelf"), "readelf")
    library = next(installed.rglob("libnet.so.1.0.0"))
    dynamic = run("readelf", "-dW", library, cwd=installed).decode()
    assert "Library soname: [libnet.so.1]" in dynamic
    assert re.findall(r"NEEDED.*\[(.*)\]", dynamic) == ["libc.so.6"]
    symbols = run("readelf", "--dyn-syms", "-W", library, cwd=installed).decode()
    own = set(re.findall(r" (\S+)@@NET_1", symbols))
    assert {"kws_invoke", "kws_state_bytes", "ad01_input_from_real", "sww_output"} <= own
    assert not [name for name in own if "_op" in name]  # weights stay inside
    assert own == public_names(installed)


def public_names(installed):
    """Every function of the installed headers."""
    text = "".join(path.read_text() for path in installed.rglob("*.h"))
    return set(re.findall(r"^[a-z][\w ]*[ *](\w+)\([^;{]*\);", text, re.MULTILINE))


def test_a_library_for_other_machines_is_no_wheel_for_this_one(project, tmp_path):
    here = Path(sys.executable).read_bytes()[:20]
    other = tmp_path / "other.so"
    other.write_bytes(here[:18] + (b"\xb7\0" if here[18:] != b"\xb7\0" else b"\x3e\0"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    given = os.environ | {"NET_LIBRARY": str(other)}
    ask = {"cwd": project, "capture_output": True, "text": True, "check": False}
    refused = subprocess.run(command, env=given, **ask)
    assert refused.returncode != 0
    assert "NET_PLATFORM=" in refused.stderr
    made = subprocess.run(command, env=given | {"NET_PLATFORM": "linux_riscv64"}, **ask)
    assert made.returncode == 0, made.stderr
    assert [wheel.name for wheel in (tmp_path / "dist").iterdir()] == [
        "net-1.0.0-py3-none-linux_riscv64.whl"
    ]


def test_one_wheel(project, tflm_bytes, models, tmp_path):
    """As `python -m build` makes it, without an environment of its own."""
    run(sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "dist", cwd=project)
    (wheel,) = (tmp_path / "dist").glob("net-1.0.0-py3-none-linux_*.whl")
    site = tmp_path / "site"
    run(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"),
        *("--target", site, wheel),
        cwd=tmp_path,
    )
    values = np.linspace(-900, 900, 490, dtype=np.float32)
    np.savez(tmp_path / "in.npz", real=values, **{name: tflm_bytes[name][0] for name in MODELS})
    script = """
import sys; sys.path.insert(0, "site")
import numpy as np, net
given = dict(np.load("in.npz"))
real, found = given.pop("real"), {}
for name, batch in given.items():
    model = getattr(net, name.capitalize())()
    assert model.self_test() == 0
    model.reset()
    found[name] = np.stack([model.run(x) for x in batch])
kws = net.Kws()
assert kws.inputs[0].shape == (1, 49, 10, 1) and kws.label(0) is None
said = []
for wrong in [(), (np.zeros(3, np.int8),), (np.zeros(490, np.uint8),)]:
    try:
        kws.run(*wrong)
    except (TypeError, ValueError) as error:
        said.append(str(error))
assert len(said) == 3, said
np.savez("out.npz", real=kws.run_real(real), **found)
"""
    run(sys.executable, "-c", script, cwd=tmp_path)
    found = np.load(tmp_path / "out.npz")
    for name in MODELS:
        np.testing.assert_array_equal(found[name], tflm_bytes[name][1], name)
    graph = read_graph(models / "kws_int8.tflite")
    x, y = (graph.main.tensors[k[0]] for k in (graph.main.inputs, graph.main.outputs))
    site_run = f"""
import sys; sys.path.insert(0, "site")
import numpy as np, net
x = np.array({quantize(values, x).tolist()}, np.int8)
np.save("again.npy", net.Kws().run(x))
"""
    run(sys.executable, "-c", site_run, cwd=tmp_path)
    again = dequantize(np.load(tmp_path / "again.npy"), y)
    np.testing.assert_array_equal(found["real"], again)


CROSS = {
    "aarch64-linux-gnu.2.17": (("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), "AArch64"),
}
if os.environ.get("EDGEQ_EVERY_SYSTEM"):  # zig builds a whole C library for each; `make builds`
    CROSS |= {
        "aarch64-linux-musl": (("qemu-aarch64",), "AArch64"),
        "arm-linux-musleabihf": (("qemu-arm",), "ARM"),
        "riscv64-linux-musl": (("qemu-riscv64",), "RISC-V"),
        "arm-linux-gnueabihf.2.28": ((), "ARM"),
    }


@pytest.mark.parametrize("system", CROSS)
def test_other_machines(make_project, tflm_bytes, tmp_path, system):
    """Built with zig as the README says, and run in QEMU's user mode."""
    emulator, machine = CROSS[system]
    project = make_project("linux", ("kws",))
    build = tmp_path / "build"
    zig = shutil.which("python-zig", path=str(Path(sys.executable).parent))
    need(zig and shutil.which("ninja") and shutil.which("cmake"), "ziglang, cmake and ninja")
    run(
        *("cmake", "-G", "Ninja", "-B", build, "-S", ".", f"-DZIG={zig}"),
        *("--toolchain", "cmake/zig.cmake", f"-DZIG_TARGET={system}"),
        cwd=project,
    )
    run("cmake", "--build", build, cwd=project)
    header = run("readelf", "-hW", build / "libnet.so.1.0.0", cwd=build).decode()
    assert f"Machine:                           {machine}" in header
    dynamic = run("readelf", "-dVW", build / "libnet.so.1.0.0", cwd=build).decode()
    assert "Library soname: [libnet.so.1]" in dynamic
    newest = re.search(r"gnu\w*\.2\.(\d+)", system)
    for version in re.findall(r"GLIBC_2\.(\d+)", dynamic):
        assert newest and int(version) <= int(newest[1])
    if not emulator:
        return
    need(shutil.which(emulator[0]), emulator[0])
    run(*emulator, build / "net_selftest", cwd=build)
    check_file(build / "net_run", build, tflm_bytes, "kws", *emulator)


def test_real_numbers_are_rounded_where_an_input_has_no_scale(cli, tmp_path):
    tensors = [TensorSpec((1, 6), "int32"), TensorSpec((1, 6), "int32")]
    model = tmp_path / "whole.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, [OpSpec("ADD", [0, 0], [1])], [0], [1])]))
    folder = tmp_path / "fw"
    assert cli("compile", model, "-o", folder, "--project", "linux").code == 0
    sources = sorted(str(path) for path in (folder / "src").glob("*.c"))
    run("gcc", "-std=c99", "-O1", "-shared", "-fPIC", "-o", "net.so", *sources, cwd=tmp_path)
    library = ctypes.CDLL(str(tmp_path / "net.so"))
    state = (ctypes.c_uint64 * 512)()
    for function in (library.whole_setup, library.whole_input):
        function.argtypes = [ctypes.c_void_p]
    library.whole_input.restype = ctypes.POINTER(ctypes.c_int32)
    library.whole_input_from_real.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)]
    at = ctypes.c_void_p(-(-ctypes.addressof(state) // 16) * 16)
    library.whole_setup(at)
    library.whole_input_from_real(at, (ctypes.c_float * 6)(2.5, -2.5, 2.4, -0.4, 1e30, -1e30))
    found = library.whole_input(at)[0:6]
    assert found == [3, -3, 2, 0, 2**31 - 1, -(2**31)]
