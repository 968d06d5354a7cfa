"""The kernels of hosts give TensorFlow Lite Micro's bytes at every level that this machine has."""

import shutil

import numpy as np
import pytest

from edgeq.boards.levels import LEVELS, best_here, level, runs_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.host_c import HostSession, host_target
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from tests.kernels.hosts import FORMS, OWN_FORMS, SIZE, compared
from tests.kernels.layers import differences, random_layers, side_by_side
from tests.kernels.nets import mixed_net
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec
from tests.oracle.build import build as build_model
from tests.oracle.check import Case, random_case
from tests.sanitized import run_sanitized

NAMES = [each.name for each in LEVELS if each.cpu in ("", host_target().cpu)]
X86 = host_target().cpu == "x86-64"


def needs(name):
    if not runs_here(level(name)):
        pytest.skip(f"this machine's CPU has no {name}")


def forms(count, seed):
    """Random layers that take each form."""
    isa = "avx2" if X86 else ""
    return [
        case
        for name, form in (*FORMS, *OWN_FORMS.get(isa, ()))
        for case in random_layers("c", name, form, count, seed, SIZE, isa)
    ]


@pytest.fixture(scope="module")
def layers():
    return forms(2, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("isa", NAMES)
def test_random_layers_give_tflms_bytes(isa, layers):
    needs(isa)
    differ, compared = differences("c", layers, isa=isa)
    assert not differ
    assert compared >= len(layers) // 2


@pytest.mark.slow
def test_layers_of_the_fuzzer_give_tflms_bytes_at_all_levels_of_one_run():
    levels = [name for name in NAMES if runs_here(level(name))]
    found = list(compared("FULLY_CONNECTED int8", levels, 6, seed=1, checked=99))
    assert [result.case.isa for result in found] == [name for name in levels for _ in range(6)]
    assert {result.verdict for result in found} == {"same"}
    hosts = {result.case.isa for result in found if "_host_" in " ".join(result.kernels)}
    assert hosts == set(levels)


@pytest.mark.slow
@pytest.mark.parametrize("isa", NAMES)
def test_nothing_is_read_or_written_outside(isa, layers, tmp_path):
    needs(isa)
    path = tmp_path / "layers.tflite"
    path.write_bytes(side_by_side([case.model for case in layers]))
    inputs = [np.asarray(array)[None] for case in layers for array in case.calls[0]]
    chosen = CompileOptions(isa=isa)
    sources = generate(path, name="model", target=host_target(), options=chosen)
    with open_device("c").open(path, chosen) as session:
        plain = session.run(inputs)
    for ours, theirs in zip(run_sanitized(sources, inputs), plain, strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.slow
@pytest.mark.skipif(not X86, reason="the levels are those of x86-64")
@pytest.mark.parametrize("isa", NAMES)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_c_asks_for_its_own_instruction_set(compiler, isa, layers, tmp_path):
    """No option says which CPU it is for, and nothing is warned of."""
    found = shutil.which(compiler)
    if found is None:
        pytest.skip(f"{compiler} is not installed")
    path = tmp_path / "layers.tflite"
    path.write_bytes(side_by_side([case.model for case in layers]))
    sources = generate(path, name="model", options=CompileOptions(isa=isa))
    flags = ["-O2", "-fPIC", *WARNINGS]
    build(Toolchain(compiler, (found,)), sources.files, flags, ["-shared"], "all.so")


def swish(extra_reader, order=(1, 0)):
    """x * logistic(x); another op may read what LOGISTIC gives."""
    tensors = [
        TensorSpec((1, 5, 5, 7), "int8", 0.05, 3),
        TensorSpec((1, 5, 5, 7), "int8", 1 / 256, -128),
        TensorSpec((1, 5, 5, 7), "int8", 0.04, -90),
        TensorSpec((1, 5, 5, 7), "int8", 0.04, -90),
    ]
    none = {"fused_activation_function": 0}
    ops = [OpSpec("LOGISTIC", [0], [1]), OpSpec("MUL", [*order], [2], none)]
    ops += [OpSpec("MUL", [1, 2], [3], none)] if extra_reader else []
    return build_model([SubgraphSpec(tensors, ops, [0], [3 if extra_reader else 2])])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("extra_reader", "steps"), [(False, 1), (True, 3)])
def test_x_times_its_sigmoid_is_one_look_up(extra_reader, steps, order, tmp_path):
    path = tmp_path / "swish.tflite"
    path.write_bytes(swish(extra_reader, order))
    chosen = CompileOptions(isa=best_here().name)
    made = generate(path, target=host_target(), options=chosen).manifest["ops"]
    assert len(made) == steps
    assert "eq_lookup_host_s8" in {op["kernel"] for op in made if op["op"] == "MUL"}
    case = random_case("swish", path.read_bytes())
    assert differences("c", [case]) == ([], 1)


def test_a_constant_of_three_channels_is_repeated(tmp_path):
    values = np.array([5, -7, 90], np.int8)
    tensors = [
        TensorSpec((1, 6, 10, 3), "int8", 0.05, 3),
        TensorSpec((3,), "int8", 0.05, 1, values),
        TensorSpec((1, 6, 10, 3), "int8", 0.1, -9),
    ]
    none = {"fused_activation_function": 0}
    ops = [OpSpec("ADD", [1, 0], [2], none)]
    model = build_model([SubgraphSpec(tensors, ops, [0], [2])])
    path = tmp_path / "add.tflite"
    path.write_bytes(model)
    sources = generate(path, target=host_target())
    assert ".shape.size = {1, 1, 1, 1, 1, 180}" in sources.files["add.c"]
    assert differences("c", [random_case("add", model)]) == ([], 1)


def test_a_weight_of_minus_128_takes_another_kernel(tmp_path):
    """At -128 * -128 a pair of products would not fit the 16 bits that AVX2 gives it."""
    weights = np.full((16, 8), -128, np.int8)
    tensors = [
        TensorSpec((1, 8), "int8", 0.05, -1),
        TensorSpec((16, 8), "int8", 0.02, 0, weights),
        TensorSpec((16,), "int32", 0.001, 0, np.zeros(16, np.int32)),
        TensorSpec((1, 16), "int8", 1.5, 0),
    ]
    options = {"fused_activation_function": 0, "weights_format": 0, "keep_num_dims": False}
    ops = [OpSpec("FULLY_CONNECTED", [0, 1, 2], [3], options)]
    model = build_model([SubgraphSpec(tensors, ops, [0], [3])])
    case = Case("lowest", model, [[np.full((1, 8), -128, np.int8)]])
    assert differences("c", [case], isa="avx2" if X86 else "") == ([], 1)


@pytest.mark.skipif(not X86, reason="AVX2 is x86-64's")
@pytest.mark.parametrize(
    ("shape", "side"),
    [((1, 9, 8, 48), 4), ((1, 9, 8, 256), 2), ((1, 3, 11, 48), 2), ((1, 6, 6, 16), 2)],
    ids=["fits", "too-large", "too-low", "as-many-products"],
)
@pytest.mark.parametrize("random", [False, True], ids=["extremes", "random"])
def test_squares_of_outputs_are_as_large_as_sums_allow(shape, side, random, tmp_path):
    """64 times a sum has to fit 32 bits for squares of 16; the largest weights and inputs do so."""
    needs("avx2")
    rng = np.random.default_rng(1)
    filters = rng.integers(-127, 128, (17, 3, 3, shape[3])).astype(np.int8)
    filters = filters if random else np.where(filters < 0, np.int8(-127), np.int8(127))
    filters[3], filters[4] = 127, -127
    scale = 9 * shape[3] * 1e-4
    bias = rng.integers(-(1 << 16), 1 << 16, 17).astype(np.int32)
    tensors = [
        TensorSpec(shape, "int8", 0.05, 3),
        TensorSpec((17, 3, 3, shape[3]), "int8", 0.02, 0, filters),
        TensorSpec((17,), "int32", 0.001, 0, bias),
        TensorSpec((*shape[:3], 17), "int8", scale, -9),
    ]
    options = {"padding": 0, "stride_w": 1, "stride_h": 1, "dilation_w_factor": 1}
    options |= {"dilation_h_factor": 1, "fused_activation_function": 0}
    model = build_model(
        [SubgraphSpec(tensors, [OpSpec("CONV_2D", [0, 1, 2], [3], options)], [0], [3])]
    )
    path = tmp_path / "conv.tflite"
    path.write_bytes(model)
    sources = generate(path, target=host_target(), options=CompileOptions(isa="avx2"))
    assert f".side = {side}," in sources.files["conv.c"]
    assert differences("c", [random_case("conv", model)], isa="avx2") == ([], 1)


@pytest.mark.parametrize("isa", NAMES)
@pytest.mark.parametrize(("rows", "stride"), [(3, 1), (5, 2)])
def test_a_column_of_outputs_is_walked_like_a_row(isa, rows, stride, tmp_path):
    """Filters of streaming models are as wide as their inputs, and outputs one column."""
    needs(isa)
    random = np.random.default_rng(rows)
    filters = random.integers(-127, 128, (1, rows, 1, 16)).astype(np.int8)
    height = (17 - rows) // stride + 1
    tensors = [
        TensorSpec((1, 17, 1, 16), "int8", 0.05, 3),
        TensorSpec(filters.shape, "int8", 0.01, 0, filters),
        TensorSpec((16,), "int32", 0.0005, 0, random.integers(-900, 900, 16)),
        TensorSpec((1, height, 1, 16), "int8", 0.1, -5),
    ]
    window = {"padding": 1, "stride_h": stride, "stride_w": stride, "depth_multiplier": 1}
    window |= {"dilation_h_factor": 1, "dilation_w_factor": 1, "fused_activation_function": 0}
    model = build_model(
        [SubgraphSpec(tensors, [OpSpec("DEPTHWISE_CONV_2D", [0, 1, 2], [3], window)], [0], [3])]
    )
    path = tmp_path / "column.tflite"
    path.write_bytes(model)
    made = generate(path, target=host_target(), options=CompileOptions(isa=isa))
    assert f".output_w = {height}," in made.files["column.c"]
    assert differences("c", [random_case("column", model)], isa=isa) == ([], 1)


@pytest.mark.parametrize("target", ["cortex-m4", "aarch64"])
def test_a_level_of_another_processor_is_refused(target, tmp_path):
    path = tmp_path / "swish.tflite"
    path.write_bytes(swish(extra_reader=False))
    with pytest.raises(UsageError, match="--isa avx2 is a level of x86-64"):
        generate(path, target=target, options=CompileOptions(isa="avx2"))


def test_a_level_that_a_named_target_lacks_is_refused(tmp_path):
    path = tmp_path / "swish.tflite"
    path.write_bytes(swish(extra_reader=False))
    for isa, target, best in (
        ("i8mm", "raspberry-pi-5", "neondot"),
        ("neondot", "raspberry-pi-4", "neon"),
    ):
        with pytest.raises(UsageError, match=f"cannot run code of level {isa}: it lacks ") as found:
            generate(path, target=target, options=CompileOptions(isa=isa))
        assert found.value.hint == f"--isa {best} is the best that it has"
        generate(path, target=target, options=CompileOptions(isa=best))
        generate(path, target="generic-aarch64", options=CompileOptions(isa=isa))


@pytest.mark.parametrize("more", [("--isa", "avx2"), ("--dispatch",)], ids=["isa", "dispatch"])
@pytest.mark.parametrize(
    "command",
    ["profile --on local", "verify --on local", "profile --on tflm",
     "profile --on ssh://nobody@h.invalid?runtime=litert"],
)  # fmt: skip
def test_a_level_where_no_c_is_generated_is_refused(cli, tmp_path, command, more):
    path = tmp_path / "swish.tflite"
    path.write_bytes(swish(extra_reader=False))
    name, *words = command.split()
    done = cli(name, path, *words, *more)
    assert done.code == 2
    assert f"{more[0]} is for generated C, and none is made on {words[-1]}" in done.err


def test_what_the_cpu_lacks_is_said(cli, tmp_path, monkeypatch):
    path = tmp_path / "swish.tflite"
    path.write_bytes(swish(extra_reader=False))
    monkeypatch.setattr("edgeq.boards.levels.features_here", lambda: frozenset({"sse4_1"}))
    done = cli("profile", path, "--on", "c", "--isa", "avx512vnni")
    assert done.code == 1
    assert "cannot run code of level avx512vnni" in done.err
    assert "--isa portable" in done.err


@pytest.fixture
def mixed(tmp_path):
    """A small model with a convolution, a depthwise one and a sum, and inputs for it."""
    path = tmp_path / "mixed.tflite"
    path.write_bytes(mixed_net(7, 9, 20))
    random = np.random.default_rng(5)
    return path, [random.integers(-128, 128, (3, 1, 7, 9, 5)).astype(np.int8)]


def test_a_program_of_all_levels_takes_what_the_cpu_has(mixed):
    """EQ_LEVELS leaves levels out, as a CPU without them does."""
    path, inputs = mixed
    with open_device("tflm").open(path, CompileOptions()) as session:
        (expected,) = session.run(inputs)
    chosen = CompileOptions(dispatch=True)
    with open_device("c").open(path, chosen) as session:
        (found,) = session.run(inputs)
    assert found.tobytes() == expected.tobytes()
    for levels in (0, 1, 5):
        sources = generate(path, name="model", target=host_target(), options=chosen)
        sources.manifest["cflags"].append(f"-DEQ_LEVELS={levels}u")
        with HostSession("c", sources) as session:
            (found,) = session.run(inputs)
        assert found.tobytes() == expected.tobytes(), levels


def test_a_program_of_all_levels_holds_weights_once(mixed):
    sources = generate(mixed[0], name="m", options=CompileOptions(dispatch=True))
    assert {f"m_{level}.c" for level in NAMES} <= set(sources.files)
    holders = [name for name, text in sources.files.items() if "_weights[" in text]
    assert set(holders) == {"m_weights.c", "m_weights.h"}


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("portable", CompileOptions(dispatch=True, isa="avx2"), "--isa avx2"),
        ("cortex-m4", CompileOptions(dispatch=True), "--target cortex-m4"),
    ],
)
def test_what_says_the_level_leaves_nothing_to_choose(mixed, target, options, said):
    with pytest.raises(UsageError, match=said):
        generate(mixed[0], target=target, options=options)
