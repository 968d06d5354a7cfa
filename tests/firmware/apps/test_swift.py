"""`compile --project swift`: its C by clang for Apple's systems, its Swift by a grammar."""

import shutil
import subprocess
import sys

import pytest

from edgeq.compiler.build.toolchain import BARE_HEADERS
from tests.tools import need


def run(*command, cwd):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(make_project):
    return make_project("swift", ("kws", "sww"))


@pytest.fixture(scope="module")
def c_target(project):
    return project / "Sources" / "CNetModel"


def test_clang_compiles_the_c_for_a_phone_without_headers(c_target, tmp_path):
    need(shutil.which("clang"), "clang")
    warnings = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wmissing-prototypes", "-Werror")
    for source in sorted(c_target.glob("*.c")):
        run(
            *("clang", "--target=arm64-apple-ios13", "-ffreestanding", "-std=c99", *warnings),
            *(f"-I{BARE_HEADERS}", "-c", source, "-o", tmp_path / "unit.o"),
            cwd=c_target,
        )
        assert (tmp_path / "unit.o").read_bytes()[:8] == bytes.fromhex("cffaedfe0c000001")


@pytest.mark.slow
def test_zig_compiles_the_c_for_a_mac_with_its_headers(c_target, tmp_path):
    for source in ("kws.c", "kws_api.c"):
        run(
            *(sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-macos", "-std=c99"),
            *("-O1", "-Wall", "-Wextra", "-Werror", "-c", source, "-o", tmp_path / "unit.o"),
            cwd=c_target,
        )
        assert (tmp_path / "unit.o").read_bytes()[:4] == bytes.fromhex("cffaedfe")


def test_the_module_gives_what_the_classes_call(c_target, tmp_path):
    """Through clang's modules, as Swift imports C."""
    need(shutil.which("clang"), "clang")
    (tmp_path / "main.m").write_text(
        "@import CNetModel;\n"
        "unsigned long probe(kws_state *kws, sww_state *sww, float *values) {\n"
        "    kws_setup(kws); kws_input_from_real(kws, values); kws_invoke(kws);\n"
        "    kws_output_to_real(kws, values); sww_restart(sww);\n"
        "    return kws_state_bytes() + (unsigned long)sww_check(sww) + (kws_label(0) == 0);\n}\n"
    )
    run(
        *("clang", "--target=arm64-apple-macos12", "-ffreestanding", "-fmodules", "-Werror"),
        *(f"-fmodules-cache-path={tmp_path}", f"-fmodule-map-file={c_target}/module.modulemap"),
        *(f"-I{c_target}", f"-I{BARE_HEADERS}", "-fsyntax-only", "main.m"),
        cwd=tmp_path,
    )


def test_the_grammar_of_every_swift_file(project):
    try:
        import tree_sitter
        import tree_sitter_swift
    except ImportError:
        need(False, "tree-sitter and tree-sitter-swift")

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    files = sorted(project.rglob("*.swift"))
    assert {"Package.swift", "Kws.swift", "Sww.swift", "Tensor.swift"} < {f.name for f in files}
    for file in files:
        tree = parser.parse(file.read_bytes())
        assert not tree.root_node.has_error, file.name
    assert parser.parse(b"public func f( {").root_node.has_error  # it does see errors


def test_it_says_that_it_was_not_built(project, cli):
    assert "not built with Xcode" in (project / "README.md").read_text()
    built = cli("build", project)
    assert built.code == 2
    assert "swift build" in built.err
