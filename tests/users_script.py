"""A script as users write them: every public name, with results read. mypy --strict checks it in
test_public.py; it is not run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import edgeq


def convert_and_look(source: Path) -> str:
    """What a model becomes, and what is in it."""
    reading = edgeq.DatasetOptions(normalization=edgeq.Normalization((127.5,), (127.5,)))
    made = edgeq.convert(source, data="photos", output="m.tflite", dataset_options=reading)
    graph: edgeq.Graph = edgeq.read_graph("m.tflite")
    seen = edgeq.inspect("m.tflite", target="nucleo-f446re")
    macs: int = seen.macs
    parts: int = edgeq.delegates("m.tflite", "generic-android", names=["gpu"])[0].partitions
    parts += edgeq.compile_for_npu("m.tflite", "npu", "ethos-u55-128").parts
    held = edgeq.fit("m.tflite", "nucleo-f446re", edgeq.CompileOptions("ram"))
    ram: int | None = held.memory_bytes.ram_total
    tflm = edgeq.fit_tflm("m.tflite", "nucleo-f446re", kernels="reference")
    kinds: list[str] = [part.owner for part in tflm.account.parts] if tflm.account else []
    boards = [board.name for board in edgeq.all_targets() if board.kind == "board"]
    fitting = edgeq.fits("m.tflite", [edgeq.load_target(name) for name in boards])
    best: list[str] = [found.target for found in fitting if found.fits]
    rows = [row.op for row in edgeq.op_table() if row.compiled]
    found = [tool.name for tool in edgeq.check_installation()]
    return f"{made.sha256} {graph.file_bytes} {macs} {parts} {ram} {kinds} {best} {rows} {found}"


def listen(recordings: Path) -> int:
    """Features of sound, computed as the device will."""
    front = edgeq.front_end("micro", "int16")
    made = edgeq.features("micro", recordings, "features.npz", precision="int16")
    extractor = edgeq.Extractor("micro")
    layer, function = edgeq.feature_layer("micro"), edgeq.feature_map("micro")
    print(front, made, extractor, layer, function)
    return 0


def run_and_measure() -> bool:
    """Answers, bytes, times, accuracy."""
    answers = edgeq.run("m.tflite", inputs=np.zeros((4, 49, 10, 1), np.int8), on="c")
    first: float = float(answers[0].max())
    equal: bool = edgeq.verify("m.tflite", on="sim:cortex-m4", n=20).equal
    how = edgeq.ProfileOptions(runs=50, ops=True)
    profile = edgeq.profile("m.tflite", on="local", profile_options=how)
    slowest = max(profile.measurement.ops, key=lambda op: op.us or 0.0)
    layer: str = slowest.name
    covers: tuple[int, ...] = slowest.covers
    evaluation = edgeq.evaluate("m.tflite", data="test", on="c")
    accuracy: float = evaluation.score.value
    worst = edgeq.robustness("m.tflite", data="test", against="m.keras")
    lost = edgeq.diagnose("m.tflite", "m.keras", data="photos")
    print(first, layer, covers, accuracy, worst, lost, profile.to_json()["kinds"])
    return equal


def compare_and_report(before: Path, after: Path) -> Path:
    """Two results, several schemes, a page."""
    results = [json.loads(path.read_text()) for path in (before, after)]
    comparison = edgeq.compare_profiles(results[0], results[1])
    groups = edgeq.compare_groups(results[0], results[1])
    schemes = edgeq.compare_schemes("m.keras", data="p", eval_data="t", schemes=["int8", "int4"])
    print(comparison, groups, [row.scheme for row in schemes.rows])
    return edgeq.write_report([before, after], "report.html", force=True)


def measure_many(group: str) -> list[str]:
    """A group of devices, and what each one is."""
    inventory = edgeq.read_inventory()
    fleet = edgeq.profile_group("m.tflite", group)
    events = edgeq.evaluate_recordings(
        "m.tflite",
        recordings="heard",
        options=edgeq.CompileOptions(frontend=edgeq.front_end("micro")),
        on="c",
    )
    missed: int = events.total.misses
    beside = edgeq.profile_runtimes("m.tflite", "ssh://pi", ["c", "litert"])
    accuracies = edgeq.evaluate_runtimes("m.tflite", "ssh://pi", ["c", "litert"], data="test")
    checked = edgeq.verify_runtimes("m.tflite", "ssh://pi", ["c", "litert"], n=10)
    print(missed, beside.results[0].profile, accuracies.results[0].evaluation, checked.exit_code)
    judged = edgeq.evaluate_group("m.tflite", group, data="test")
    probed = edgeq.probe_group(group)
    one = edgeq.probe_device("ssh://pi@host")
    print(inventory, judged, probed, one["address"])
    return [result.name for result in fleet.results]


def compress(model: str) -> list[float]:
    """Every method of compression."""
    task = edgeq.Task("train.npz", "test.npz", edgeq.Training(epochs=3))
    made = [
        edgeq.qat(model, task, scheme="int8"),
        edgeq.prune(model, task, sparsity=0.5),
        edgeq.prune_2_of_4(model, task),
        edgeq.prune_blocks(model, task),
        edgeq.prune_channels(model, task, macs=0.5),
        edgeq.cluster(model, task, clusters=16),
        edgeq.factorize(model, task, rank=4),
        edgeq.distill(model, "teacher.keras", task),
        edgeq.equalize(model),
    ]
    return [each.quality[1].value for each in made if each.quality is not None]


def ship(folder: Path) -> bool:
    """C, a project, an image on a board, the whole chain, and what happens to it later."""
    sources = edgeq.compile("m.tflite", folder / "c", target="cortex-m4")
    arena: int = sources.manifest["arena_bytes"]
    edgeq.create_project(["m.tflite"], folder / "fw", target="nucleo-f446re", template="bare-metal")
    built = edgeq.build_project(folder / "fw")
    flashed = edgeq.flash_project(folder / "fw", dry_run=True)
    lines: list[str] = list(edgeq.monitor("/dev/ttyACM0", seconds=1.0))
    limits = edgeq.Limits(ram_bytes=32 << 10, latency_ms=20.0)
    try:
        deployed = edgeq.deploy(edgeq.DeployConfig("m.keras", data="photos", limits=limits))
    except edgeq.EdgeqError as error:
        print(error.what, error.where, error.hint)
        return False
    found = edgeq.tune("m.keras", data="p", output="t", limits=edgeq.TuneLimits(ram_bytes=1 << 15))
    known = edgeq.reference_profile("m.tflite", "photos")
    drift = edgeq.check_drift("m.tflite", known, "new")
    manifest = edgeq.check_manifest(folder / "manifest.json")
    print(arena, built, flashed, lines, found, drift, manifest)
    return deployed.met
