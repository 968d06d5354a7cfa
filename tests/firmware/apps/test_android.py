"""`compile --project android`: Kotlin's classes in a JVM, and the native libraries of each kind."""

import platform
import re
import shutil
import subprocess

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from edgeq.boards.levels import level, runs_here
from edgeq.firmware.app_binaries import binary_commands
from edgeq.model.arrays import dequantize, quantize
from edgeq.model.model_file import read_graph
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

pytestmark = pytest.mark.slow

ABIS = {
    "arm64-v8a": ("EM_AARCH64", 64),
    "armeabi-v7a": ("EM_ARM", 32),
    "x86_64": ("EM_X86_64", 64),
}

# Java, so that it is seen that Java can call what Kotlin made.
_MAIN = """
import edgeq.net.*;
import java.nio.file.*;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

public class Main {
    static byte[] all(String name) throws Exception { return Files.readAllBytes(Path.of(name)); }

    interface Call { byte[] run(byte[] input); }

    static void each(String name, int test, int inputs, int outputs, Call call) throws Exception {
        if (test != 0) throw new IllegalStateException(name + " self-test " + test);
        byte[] given = all(name + ".in"), found = new byte[given.length / inputs * outputs];
        for (int k = 0; k < given.length / inputs; k++) {
            byte[] one = java.util.Arrays.copyOfRange(given, k * inputs, (k + 1) * inputs);
            System.arraycopy(call.run(one), 0, found, k * outputs, outputs);
        }
        Files.write(Path.of(name + ".out"), found);
    }

    public static void main(String[] args) throws Exception {
        Kws kws = new Kws();
        each("kws", kws.selfTest(), Kws.INPUT.elements, Kws.OUTPUT.elements, kws::run);
        Sww sww = new Sww();
        int test = sww.selfTest();
        sww.reset();
        each("sww", test, Sww.INPUT.elements, Sww.OUTPUT.elements, sww::run);
        try {
            kws.run(new byte[3]);
            throw new IllegalStateException("three values were taken");
        } catch (IllegalArgumentException error) {
            System.out.println(error.getMessage());
        }
        ByteBuffer bytes = ByteBuffer.wrap(all("real.in")).order(ByteOrder.LITTLE_ENDIAN);
        float[] real = new float[Kws.INPUT.elements];
        bytes.asFloatBuffer().get(real);
        StringBuilder line = new StringBuilder();
        for (float value : kws.runReal(real)) line.append(value).append(' ');
        System.out.println(line);
        System.out.println(kws.label(0) + " " + Kws.INPUT.scale + " " + Kws.OUTPUT.zeroPoint);
        for (int k = 0; k < 2000; k++) new Kws();  // its memory is the collector's
    }
}
"""
# A program of a system that the library was not made for: it lacks nothing that a loader finds.
_HARNESS = """
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    (void)argc;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\\n", dlerror());
        return 1;
    }
    size_t (*bytes)(void) = (size_t(*)(void))dlsym(library, "kws_state_bytes");
    void (*setup)(void *) = (void (*)(void *))dlsym(library, "kws_setup");
    void (*invoke)(void *) = (void (*)(void *))dlsym(library, "kws_invoke");
    int (*check)(void *) = (int (*)(void *))dlsym(library, "kws_check");
    int8_t *(*input)(void *) = (int8_t * (*)(void *)) dlsym(library, "kws_input");
    const int8_t *(*output)(void *) = (const int8_t *(*)(void *))dlsym(library, "kws_output");
    void *state = aligned_alloc(16, (bytes() + 15) / 16 * 16);
    setup(state);
    if (check(state) != 0) {
        return 1;
    }
    while (fread(input(state), 1, 490, stdin) == 490) {
        invoke(state);
        fwrite(output(state), 1, 12, stdout);
    }
    return 0;
}
"""


def run(*command, cwd, **more):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, timeout=600, check=False, **more
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout


@pytest.fixture(scope="module")
def project(make_project):
    return make_project("android", ("kws", "sww"))


@pytest.mark.parametrize("abi", ABIS)
def test_a_library_needs_nothing_and_lies_on_large_pages(project, abi):
    machine, width = ABIS[abi]
    with (project / "src" / "main" / "jniLibs" / abi / "libnet_jni.so").open("rb") as file:
        elf = ELFFile(file)
        assert (elf["e_machine"], elf.elfclass, elf["e_type"]) == (machine, width, "ET_DYN")
        loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert loads
        for load in loads:
            assert load["p_align"] == 16384
            assert load["p_vaddr"] % 16384 == load["p_offset"] % 16384
            assert not (load["p_flags"] & 1 and load["p_flags"] & 2)  # never both W and X
        stack = [s for s in elf.iter_segments() if s["p_type"] == "PT_GNU_STACK"]
        assert all(not segment["p_flags"] & 1 for segment in stack)
        tags = {tag.entry.d_tag: tag for tag in elf.get_section_by_name(".dynamic").iter_tags()}
        assert "DT_NEEDED" not in tags
        assert "DT_TEXTREL" not in tags
        assert {"DT_HASH", "DT_GNU_HASH"} <= set(tags)  # before Android 6 only the first is read
        assert tags["DT_SONAME"].soname == "libnet_jni.so"
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
        undefined = [s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF" and s.name]
        assert undefined == []
        names = {symbol.name for symbol in symbols if symbol.name}
    assert {"Java_edgeq_net_Kws_invoke", "Java_edgeq_net_Sww_check", "kws_invoke"} <= names
    assert not [name for name in names if not re.match(r"Java_edgeq_net_|kws_|sww_|NET_1", name)]


def test_java_and_kotlin_give_the_bytes_of_tflm(project, tflm_bytes, models, tmp_path):
    for tool in ("kotlinc", "java", "javac"):
        need(shutil.which(tool), tool)
    kotlin = sorted((project / "src" / "main" / "kotlin").rglob("*.kt"))
    run("kotlinc", *kotlin, "-include-runtime", "-d", tmp_path / "net.jar", cwd=tmp_path)
    (tmp_path / "Main.java").write_text(_MAIN)
    run("javac", "-cp", "net.jar", "Main.java", cwd=tmp_path)
    for name in ("kws", "sww"):
        (tmp_path / f"{name}.in").write_bytes(tflm_bytes[name][0].tobytes())
    values = np.linspace(-900, 900, 490, dtype=np.float32)
    (tmp_path / "real.in").write_bytes(values.tobytes())
    libraries = project / "src" / "main" / "jniLibs" / "x86_64"
    said = run(
        *("java", "-Xcheck:jni", "-Xmx256m", f"-Djava.library.path={libraries}"),
        *("-cp", "net.jar:.", "Main"),
        cwd=tmp_path,
    ).decode()
    for name in ("kws", "sww"):
        found = (tmp_path / f"{name}.out").read_bytes()
        assert found == tflm_bytes[name][1].tobytes(), name
    wrong, real, facts = said.splitlines()
    assert wrong == "input has 490 values, not 3"
    assert facts == "null 0.5847029089927673 -128"
    graph = read_graph(models / "kws_int8.tflite")
    x, y = (graph.main.tensors[k[0]] for k in (graph.main.inputs, graph.main.outputs))
    from edgeq.compiler.options import CompileOptions
    from edgeq.devices.registry import open_device

    with open_device("tflm").open(models / "kws_int8.tflite", CompileOptions()) as session:
        (bytes_,) = session.run([quantize(values.reshape(1, 1, 49, 10, 1), x)])
    assert [np.float32(word) for word in real.split()] == dequantize(bytes_, y).ravel().tolist()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the levels are those of x86-64")
def test_a_cpu_that_lacks_levels_gets_the_same_bytes(project, tflm_bytes, tmp_path):
    """The library chooses by CPUID; EQ_LEVELS leaves out what is not in it."""
    need(shutil.which("gcc"), "gcc")
    (tmp_path / "harness.c").write_text(_HARNESS)
    run("gcc", "-O1", "harness.c", "-o", "harness", "-ldl", cwd=tmp_path)
    copy = shutil.copytree(project, tmp_path / "net")
    library = "src/main/jniLibs/x86_64/libnet_jni.so"
    command = binary_commands("android", "net", copy)[library]
    at = command.index("-cflags")
    x, expected = tflm_bytes["kws"]
    for levels in (0, 1):
        if levels and not runs_here(level("avx2")):
            continue
        run(*command[:at], f"-DEQ_LEVELS={levels}u", *command[at:], cwd=copy)
        found = run("./harness", copy / library, cwd=tmp_path, input=x.tobytes())
        assert found == expected.tobytes(), levels


@pytest.mark.parametrize(
    ("abi", "triple", "emulator"),
    [
        ("arm64-v8a", "aarch64-linux-gnu", ("qemu-aarch64",)),
        ("armeabi-v7a", "arm-linux-gnueabihf", ("qemu-arm", "-cpu", "cortex-a8")),
        ("armeabi-v7a", "arm-linux-gnueabihf", ("qemu-arm", "-cpu", "cortex-a9,neon=off")),
    ],
)
def test_an_arm_library_loads_and_gives_the_bytes_of_tflm(
    abi, triple, emulator, project, tflm_bytes, tmp_path
):
    """It reads in /proc/cpuinfo, for which there is a file, what the CPU has."""
    for tool in (f"{triple}-gcc", emulator[0]):
        need(shutil.which(tool), tool)
    (tmp_path / "harness.c").write_text(_HARNESS)
    run(f"{triple}-gcc", "-O1", "harness.c", "-o", "harness", "-ldl", cwd=tmp_path)
    library = project / "src" / "main" / "jniLibs" / abi / "libnet_jni.so"
    x, expected = tflm_bytes["kws"]
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "lib").symlink_to(f"/usr/{triple}/lib")
    has = "vfpv3 vfpv3d16" if "neon=off" in emulator[-1] else "asimd neon vfpv3"
    (root / "proc" / "cpuinfo").write_text(f"Features\t: half {has} tls\n")
    found = run(*emulator, "-L", root, "./harness", library, cwd=tmp_path, input=x.tobytes())
    assert found == expected.tobytes()


def test_float_ops_are_left_to_an_ndk(tmp_path, cli):
    x = TensorSpec((1, 9), "float32")
    model = tmp_path / "tanh.tflite"
    model.write_bytes(single_op("TANH", [x], [TensorSpec((1, 9), "float32")]))
    folder = tmp_path / "net"
    done = cli("compile", model, "-n", "net", "-o", folder, "--project", "android", "--no-golden")
    assert done.code == 0, done.err
    assert "compiled with an NDK" in (folder / "README.md").read_text()
    assert 'hasProperty("edgeqNdk") || true\n' in (folder / "build.gradle.kts").read_text()
    assert not (folder / "src" / "main" / "jniLibs").exists()
    built = cli("build", folder)
    assert built.code == 2
    assert "NDK" in built.err


def test_the_ndk_finds_its_sources_and_r8_the_names(project):
    cmake = (project / "src" / "main" / "cpp" / "CMakeLists.txt").read_text()
    listed = set(re.findall(r"^    (\S+\.c)$", cmake, re.MULTILINE))
    assert listed == {path.name for path in (project / "src" / "main" / "cpp").glob("*.c")}
    assert "class edgeq.net.** {" in (project / "consumer-rules.pro").read_text()
    assert 'namespace = "edgeq.net"' in (project / "build.gradle.kts").read_text()
