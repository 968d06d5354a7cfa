"""Schemes side by side: the figures are those of the single commands, and the best is the best."""

import json
from dataclasses import replace

import numpy as np
import pytest

import edgeq
from edgeq.cli.shared.schemes import show_schemes
from edgeq.data import DatasetOptions
from edgeq.devices import inventory
from edgeq.errors import UsageError
from edgeq.report.combine import combine
from edgeq.report.overview import overview
from edgeq.support.jsontext import json_text
from edgeq.workflow.schemes import _best
from tests.compress.nets import digits, mlp


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemes")
    (x, _), (test_x, test_y) = digits()
    mlp().save(folder / "net.keras")
    np.savez(folder / "data.npz", x=x[:64])
    np.savez(folder / "test.npz", x=test_x[:200], y=test_y[:200])
    return folder


@pytest.fixture(scope="module")
def compared(net):
    return edgeq.compare_schemes(
        net / "net.keras",
        data=net / "data.npz",
        eval_data=net / "test.npz",
        schemes=["float32", "int8", "dynamic"],
        on=["c"],
        max_drop=1.0,
    )


def test_figures_are_those_of_the_single_commands(net, compared, tmp_path):
    rows = {row.scheme: row for row in compared.rows}
    made = edgeq.convert(net / "net.keras", data=net / "data.npz", output=tmp_path / "m.tflite")
    alone = edgeq.evaluate(tmp_path / "m.tflite", data=net / "test.npz", on="c")
    assert rows["int8"].file_bytes == len(made.data)
    assert rows["int8"].evaluation.score.value == alone.score.value
    assert rows["float32"].file_bytes == made.float_bytes
    assert rows["float32"].evaluation.n == rows["int8"].evaluation.n == 200
    assert rows["int8"].profile.measurement.latency_us.n > 1


def test_what_cannot_run_says_where_it_can(compared):
    row = next(row for row in compared.rows if row.scheme == "dynamic")
    assert row.profile is None
    assert "LiteRT" in row.error
    assert "edgeq-schemes-" not in row.error


def test_without_the_float_model_nothing_is_called_the_best(net, capsys):
    """The quickest was said to be within 0.01 of a float model that nobody had measured."""
    found = edgeq.compare_schemes(
        net / "net.keras",
        data=net / "data.npz",
        eval_data=net / "test.npz",
        schemes=["int8"],
        on=["c"],
    )
    assert found.best == {}
    show_schemes(found)
    assert "none is called the best" in capsys.readouterr().out


def test_the_float_model_is_taken_from_where_it_runs(compared):
    """A device that cannot run it had all schemes for good enough."""
    float_, int8 = (
        next(row for row in compared.rows if row.scheme == name) for name in ("float32", "int8")
    )
    worse = replace(int8.evaluation.score, value=float_.evaluation.score.value - 0.1)
    there = replace(int8, on="sim:cortex-m4", evaluation=replace(int8.evaluation, score=worse))
    failed = replace(float_, on="sim:cortex-m4", evaluation=None, profile=None, error="no kernel")
    rows = [float_, int8, failed, there]
    assert "sim:cortex-m4" not in _best(rows, ["c", "sim:cortex-m4"], 0.01)
    assert _best(rows, ["c", "sim:cortex-m4"], 0.2)["sim:cortex-m4"] == "int8"


def test_the_best_is_the_quickest_of_those_that_are_good_enough(compared):
    times = {row.scheme: row.time for row in compared.rows if row.time is not None}
    assert compared.best == {"c": min(times, key=times.get)}


def test_the_command_prints_a_table_and_writes_a_page(net, cli, tmp_path):
    page = tmp_path / "schemes.html"
    command = (
        "convert", net / "net.keras", "--data", net / "data.npz", "--eval", net / "test.npz",
        "--compare", "float32,int8", "--on", "c",
    )  # fmt: skip
    found = cli(*command, "-o", page, "--json")
    assert found.code == 0, found.err
    assert [row["scheme"] for row in found.json["schemes"]] == ["float32", "int8"]
    text = page.read_text()
    assert "Side by side" in text
    assert text.count("<circle") == 2
    saved = tmp_path / "schemes.json"
    saved.write_text(json.dumps(found.json))
    assert cli("report", saved, "-o", tmp_path / "again.html").code == 0
    assert (tmp_path / "again.html").read_text() == text


def test_the_page_has_the_accuracy_of_devices_with_names(net, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("here", "there"):
        inventory.add(name, "c" if name == "here" else "local")
    found = edgeq.compare_schemes(
        net / "net.keras", data=net / "data.npz", eval_data=net / "test.npz",
        schemes=["int8"], on=["here", "there"],
    )  # fmt: skip
    rows = overview(combine([("found", json.loads(json_text(found.to_json())))])["sections"])[
        "rows"
    ]
    assert [row["score"] for row in rows] == [row.evaluation.score.value for row in found.rows]


def test_mistakes(net, cli):
    with pytest.raises(UsageError, match="int7"):
        edgeq.compare_schemes(net / "net.keras", data=None, eval_data=None, schemes=["int7"])
    assert cli("convert", net / "net.keras", "--compare", "int8").code == 2
    words = ("convert", net / "net.keras", "--data", net / "data.npz", "--eval", net / "test.npz")
    for option in (("--io", "float32"), ("--scheme", "int4"), ("--precision", "*=int4")):
        done = cli(*words, "--compare", "int8,mixed", *option)
        assert (done.code, f"{option[0]} is of one conversion" in done.err) == (2, True), done.err
    assert cli("convert", net / "net.keras", "--data", net / "data.npz").code == 2
    for place in ("lcoal", "sim:nosuch", "group:lab"):  # all was converted, and the code was 0
        done = cli(*words, "--compare", "float32,int8", "--on", f"c,{place}")
        assert (done.code > 0, done.out) == (True, ""), done.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_device_without_any_result_is_a_failure(net, cli, form):
    words = ("convert", net / "net.keras", "--data", net / "data.npz", "--eval", net / "test.npz")
    assert cli(*words, "--compare", "dynamic", "--on", "c,c", *form).code == 1


def test_all_schemes_are_judged_by_the_loss_in_the_file(tmp_path):
    """A float model's one output was taken for a logit, where its loss says what it comes near."""
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = (x @ rng.normal(size=6) > 0).astype(np.float32)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, epochs=40, verbose=0)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "d.npz", x=x, y=y.astype(int))
    data = tmp_path / "d.npz"
    alone = edgeq.evaluate(tmp_path / "m.keras", data=data).score.value
    found = edgeq.compare_schemes(
        tmp_path / "m.keras", data=data, eval_data=data, schemes=["float32", "int8"], on=["local"]
    )
    assert found.rows[0].evaluation.score.value == alone
    zero = DatasetOptions(from_logits=True)
    assert (
        edgeq.evaluate(tmp_path / "m.keras", data=data, dataset_options=zero).score.value != alone
    )
