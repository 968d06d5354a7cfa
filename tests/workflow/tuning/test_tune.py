"""The search: a front, a recommendation, limits, and nothing lost when something dies."""

import json
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from edgeq.compress.pruning import prune
from edgeq.compress.task import Task
from edgeq.data import DatasetOptions
from edgeq.devices import inventory
from edgeq.errors import EdgeqError, UsageError
from edgeq.report.write import report_page
from edgeq.workflow.tuning import trial as tried
from edgeq.workflow.tuning.front import Judge, TuneLimits
from edgeq.workflow.tuning.identity import _made_by, board_of
from edgeq.workflow.tuning.journal import Journal
from edgeq.workflow.tuning.problem import _origin, pose
from edgeq.workflow.tuning.space import Candidate
from edgeq.workflow.tuning.trial import Trial
from edgeq.workflow.tuning.tune import tune
from tests.tools import need, unwatched


def trial(key, score, flash, ram, cycles, error=""):
    return Trial(Candidate(variant=key), score, flash, ram, cycles, None, error)


def test_the_front_holds_what_nothing_beats():
    judge = Judge(TuneLimits(drop=0.05), 0.9, larger_is_better=True)
    small = trial("small", 0.86, 10, 10, 100)
    fast = trial("fast", 0.9, 30, 10, 50)
    beaten = trial("beaten", 0.85, 30, 10, 100)
    impossible = trial("impossible", 1.0, 1, 1, 1, "no kernel")
    assert judge.front([small, fast, beaten, impossible]) == [fast, small]
    assert judge.choose([small, fast, beaten], "flash") == small
    assert judge.choose([small, fast, beaten], "speed") == fast
    strict = Judge(TuneLimits(drop=0.0, flash_bytes=29), 0.9, larger_is_better=True)
    assert strict.choose([small, fast], "balanced") == fast
    assert strict.excess(fast) == pytest.approx(1 / 29)


def timed(key, score, flash, us, spread=4.0, rss=50_000):
    return Trial(
        Candidate(variant=key), score, flash, rss, None, us,
        latency_spread_us=spread, ram_spread_bytes=rss // 20,
    )  # fmt: skip


@pytest.mark.parametrize("prefer", ["speed", "balanced", "ram", "accuracy", "flash"])
def test_noise_of_some_microseconds_chooses_nobody(prefer):
    """Two runs of one search had different winners, by 3 microseconds."""
    judge = Judge(TuneLimits(drop=0.05), 0.9, larger_is_better=True)
    once = [timed("a", 0.9, 21_000, 40.0), timed("b", 0.9, 20_000, 43.0, rss=51_000)]
    again = [timed("a", 0.9, 21_000, 43.0, rss=51_000), timed("b", 0.9, 20_000, 40.0)]
    assert judge.choose(once, prefer).candidate.variant == "b"
    assert judge.choose(again, prefer).candidate.variant == "b"
    same = [timed(name, 0.9, 20_000, us) for name, us in (("d", 40.0), ("c", 42.0))]
    for trials in (same, same[::-1]):
        assert judge.choose(trials, prefer).candidate.variant == "c"
        assert len(judge.front(trials)) == 1


@pytest.mark.parametrize("limit", [{"latency_us": 34.0}, {"ram_bytes": 49_500}])
def test_what_keeps_to_a_limit_is_not_lost_to_noise(limit):
    """What is smaller and misses the limit by less than runs differ by does not take its place."""
    judge = Judge(TuneLimits(drop=0.05, **limit), 0.9, larger_is_better=True)
    small, kept = timed("small", 0.9, 20_000, 35.0), timed("kept", 0.9, 21_000, 33.0, rss=49_000)
    assert judge.choose([small, kept], "balanced") == kept
    assert judge.front([small, kept]) == [kept, small]
    same = timed("same", 0.9, 21_000, 35.0)
    assert judge.choose([same, kept], "balanced") == kept


def test_what_is_faster_beyond_noise_is_faster():
    judge = Judge(TuneLimits(drop=0.05), 0.9, larger_is_better=True)
    fast, slow = timed("fast", 0.9, 21_000, 30.0), timed("slow", 0.9, 20_000, 60.0)
    assert judge.choose([slow, fast], "speed") == fast
    assert judge.front([slow, fast]) == [fast, slow]
    worse = timed("worse", 0.9, 21_000, 60.0)
    assert judge.front([worse, fast]) == [fast]


def test_nothing_is_searched_for_on_labels_of_another_problem(net, tmp_path):
    model, data = net
    with np.load(data) as file:
        np.savez(tmp_path / "other.npz", x=file["x"], y=(file["y"] + 1) % 4)
    with pytest.raises(EdgeqError, match="Nothing can be judged on this data"):
        tune(
            model, data=data, eval_data=tmp_path / "other.npz", output=tmp_path / "t", trials=1,
            workers="1",
        )  # fmt: skip


def test_a_search_with_one_seed_is_the_same_search(net, tmp_path, cli):
    model, data = net
    found = []
    for name in ("one", "other"):
        args = ("tune", model, "-o", tmp_path / name, "--data", data, "--eval", data)
        done = cli(*args, "--workers", "2", "--trials", "14", "--seed", "3", "--json")
        assert done.code == 0, done.err
        found.append(done.json)
    one, other = ({t["name"]: t for t in result["trials"]} for result in found)
    assert one == other
    assert found[0]["best"] == found[1]["best"]
    assert found[0]["best"]["score_interval"][0] <= found[0]["best"]["score"]
    both = [(tmp_path / name / "best.tflite").read_bytes() for name in ("one", "other")]
    assert both[0] == both[1]


def test_a_search_has_a_front_and_can_be_taken_up_again(net, tmp_path, cli):
    model, data = net
    args = ("tune", model, "-o", tmp_path / "t", "--data", data, "--eval", data, "--workers", "1")
    first = cli(*args, "--on", "sim:cortex-m4", "--trials", "5", "--json")
    assert first.code == 0, first.err
    found = first.json
    assert len(found["trials"]) == 5
    journal = tmp_path / "t" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    assert len(lines) == 6
    # Interrupted in the middle of a line, as by a power cut.
    journal.write_text("\n".join(lines) + '\n{"candidate": {"var')
    second = cli(*args, "--trials", "7", "--json").json
    assert [t["name"] for t in second["trials"][:5]] == [t["name"] for t in found["trials"]]
    assert len(second["trials"]) == 7
    assert json.loads((tmp_path / "t" / "tune.json").read_text())["best"] == second["best"]
    assert (tmp_path / "t" / "best.tflite").stat().st_size > 0
    for fixed in second["trials"][:4]:
        assert any(
            front["score"] >= fixed["score"]
            and all(front[k] <= fixed[k] for k in ("flash_bytes", "ram_bytes", "cycles"))
            for front in second["front"]
        )


def test_a_limit_that_nothing_meets(net, tmp_path, cli):
    model, data = net
    result = cli(
        "tune", model, "-o", tmp_path, "--data", data, "--flash", "100", "--trials", "2",
        "--workers", "1",
    )  # fmt: skip
    assert result.code == 3
    assert "comes nearest" in result.out


def test_what_is_not_measured_does_not_meet_its_limit():
    judge = Judge(TuneLimits(latency_us=1e9), 0.9, larger_is_better=True)
    assert judge.excess(trial("counted", 0.9, 1, 1, 100)) == 1


@pytest.mark.parametrize(
    "limits",
    [{"drop": float("nan")}, {"cycles": 0}, {"flash_bytes": -1}, {"latency_us": float("nan")}],
)
def test_limits_that_are_none(limits):
    with pytest.raises(UsageError):
        TuneLimits(**limits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-drop", "nan"), "is no finite number"),
        (("--cycles", "0"), "cycles"),
        (("--minutes", "-1"), "--minutes"),
        (("--minutes", "nan"), "--minutes"),
        (("--seed", "-1"), "--seed"),
        (("--workers", "0"), "--workers 0"),
        (("--max-latency", "5"), "has no clock"),
    ],
)
def test_arguments_that_cannot_be(net, tmp_path, cli, arguments, message):
    model, data = net
    found = cli("tune", model, "-o", tmp_path / "t", "--data", data, *arguments)
    assert found.code == 2, found.err
    assert message in found.err


def test_a_latency_is_cycles_at_the_board_s_clock(net, tmp_path, cli, monkeypatch):
    """By a name, too, which is the device that it stands for now."""
    model, data = net
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inventory.add("m4", "sim:nucleo-f446re")
    args = ("tune", model, "-o", tmp_path / "t", "--data", data, "--workers", "1", "--trials", "1")
    args += ("--on", "m4", "--json")
    assert cli(*args, "--max-latency", "1000").code == 0
    missed = cli(*args, "--max-latency", "0.001")
    assert missed.code == 3
    assert missed.json["device"]["address"] == "sim:nucleo-f446re"
    inventory.remove("m4")
    inventory.add("m4", "sim:cortex-m4")
    other = cli(*args)
    assert other.code == 1 and "belongs to another search: device differ" in other.err
    assert missed.json["best"]["cycles"] > 180
    assert missed.json["kinds"] == {"cycles": "estimated"}


@pytest.mark.slow
def test_a_name_that_begins_like_an_address_is_none(net, tmp_path, monkeypatch):
    """`camera` was taken for `c`, and its accuracy was that of generated C."""
    model, data = net
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name, address in {"camera": "local", "board": "sim:cortex-m4"}.items():
        inventory.add(name, address)
    how = {
        "data": data, "eval_data": data, "train_data": None, "metric": "classification",
        "limit": 20, "options": None, "trust": False, "cache": tmp_path,
    }  # fmt: skip
    assert pose(model, on="camera", **how).arithmetic == "camera"
    assert pose(model, on="board", **how).arithmetic == "c"


def test_a_board_s_file_belongs_to_the_search(tmp_path):
    board = tmp_path / "board.toml"
    board.write_text("a = 1")
    before = board_of(f"sim:{board}")
    board.write_text("a = 2")
    assert before != board_of(f"sim:{board}")
    assert board_of("sim:cortex-m4") == board_of("local") == {}


def test_a_metric_that_changed_is_another_search(net, tmp_path):
    """Scores of before stood beside scores of now, and all of them were within the limit."""
    model, data = net
    metric = tmp_path / "mine.py"
    words = {
        "data": data, "eval_data": data, "output": tmp_path / "t", "workers": "1", "trials": 1,
        "limit": 20, "metric": f"{metric}:error",
    }  # fmt: skip
    text = "import numpy as np\ndef error(outputs, labels): return np.abs(outputs).mean() * {}\n"
    metric.write_text(text.format(1))
    tune(model, **words)
    tune(model, **words)
    metric.write_text(text.format(100))
    with pytest.raises(EdgeqError, match=r"another search: .*metric_file"):
        tune(model, **words)


def test_another_reading_of_the_outputs_is_another_search(net, tmp_path):
    model, data = net
    words = {
        "data": data, "eval_data": data, "output": tmp_path / "t", "workers": "1", "trials": 1,
        "limit": 20,
    }  # fmt: skip
    tune(model, **words, dataset_options=DatasetOptions(from_logits=True))
    with pytest.raises(EdgeqError, match=r"another search: .*outputs"):
        tune(model, **words, dataset_options=DatasetOptions(from_logits=False))


def test_another_compiler_makes_another_search(monkeypatch):
    pytest.importorskip("ziglang")
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    monkeypatch.delenv("EDGEQ_TOOLCHAIN", raising=False)
    before = _made_by("sim:cortex-m4")
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "zig")
    assert before and _made_by("sim:cortex-m4") not in ("", before)
    assert _made_by("c")
    assert _made_by("local").startswith("ai-edge-litert ")
    assert _made_by("ssh://pi@nowhere") == ""


def test_training_data_of_a_function_is_known_by_its_file(tmp_path, monkeypatch):
    """By its name alone, variants that were trained on data of before were taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.keras").write_bytes(b"m")
    found = set()
    for text in ("def data(): return 1\n", "def data(): return 2\n"):
        (tmp_path / "given_data.py").write_text(text)
        found |= {_origin("m.keras", f"given_data{end}:data", None) for end in ("", ".py")}
    assert len(found) == 4
    # Of a function in memory nobody knows what it yields; of arrays it is known.
    assert len({_origin("m.keras", lambda: (), None) for _ in range(2)}) == 2
    ones, labels = np.ones((4, 2)), [0, 1, 0, 1]
    pair = ([ones, np.ones((4, 3))], labels)
    assert _origin("m.keras", pair, None) == _origin("m.keras", pair, None)
    assert _origin("m.keras", (ones, labels), None) != _origin("m.keras", (ones.T, labels), None)


def test_a_pair_of_files_is_known_by_these_and_not_by_their_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("m.keras", "x.npy", "y.npy"):
        (tmp_path / name).write_text(name)
    first = _origin("m.keras", "x.npy,y.npy", None)
    (tmp_path / "journal.jsonl").touch()
    assert _origin("m.keras", "x.npy,y.npy", None) == first
    (tmp_path / "y.npy").write_text("others")
    assert _origin("m.keras", "x.npy,y.npy", None) != first


def test_few_samples_cannot_judge_a_small_drop(net, tmp_path):
    model, data = net
    few = tmp_path / "few.npz"
    with np.load(data) as file:
        np.savez(few, x=file["x"][:20], y=file["y"][:20])
    found = tune(
        model, data=data, eval_data=few, output=tmp_path / "t", trials=1, workers="1",
        limits=TuneLimits(drop=0.01),
    )  # fmt: skip
    assert "With 20 samples one answer is 5.0%" in found.warnings[-1]


def test_variants_of_other_training_data_are_made_anew(net, tmp_path, monkeypatch):
    """They were taken from the folder, whatever they had been trained on."""
    from edgeq.workflow.tuning import problem

    model, data = net
    made = []

    def variant(name, source, train, options, trust):
        made.append((name, str(train)))
        import keras

        return keras.models.load_model(source)

    monkeypatch.setattr(problem, "_variant", variant)
    other = tmp_path / "other.npz"
    with np.load(data) as file:
        np.savez(other, x=file["x"][:100], y=file["y"][:100])
    for train in (data, data, other):
        problem._variants(model, train, None, False, tmp_path / "cache")
    names = ["equalize", *problem._TRAINED]
    assert made == [(n, str(data)) for n in names] + [(n, str(other)) for n in names]


def test_training_data_that_fits_nothing_is_an_error(net, tmp_path):
    model, data = net
    with np.load(data) as file:
        np.savez(tmp_path / "bad.npz", x=file["x"], y=file["y"] + 4)
    with pytest.raises(EdgeqError, match="Labels go from 4 to 7"):
        tune(
            model, data=data, train_data=str(tmp_path / "bad.npz"), output=tmp_path / "t",
            trials=1, workers="1",
        )  # fmt: skip


def test_what_calibration_says_of_the_data_is_passed_on(net, tmp_path):
    model, data = net
    with np.load(data) as file:
        np.save(tmp_path / "same.npy", np.zeros_like(file["x"][:40]))
    found = tune(
        model, data=str(tmp_path / "same.npy"), output=tmp_path / "t", trials=1, workers="1"
    )
    assert any("copies of one" in warning for warning in found.warnings)


def test_runs_that_were_disturbed_are_told(net, tmp_path, monkeypatch):
    """`deploy` said so, and a search chose by such times without a word."""
    measured = tried.profile

    def disturbed(*given, **how):
        found = measured(*given, **how)
        busy = replace(found.measurement, valid=False, warnings=["other programs are busy"])
        return replace(found, measurement=busy)

    monkeypatch.setattr(tried, "profile", disturbed)
    model, data = net
    for count in (1, 2):  # the second search has the first one's trial out of its journal
        found = tune(
            model, data=str(data), output=tmp_path / "t", on="c", trials=count, workers="1"
        )
        said = f"{count} of {count} runs on c were disturbed"
        assert any(said in text and "are busy" in text for text in found.warnings)
    assert "(disturbed)" in report_page([found.to_json()])


def test_another_search_in_the_same_folder_is_refused(net, tmp_path):
    model, data = net
    (tmp_path / "journal.jsonl").write_text('{"edgeq": "0", "model_and_data": "other"}\n')
    with pytest.raises(EdgeqError, match="another search"):
        tune(model, data=data, output=tmp_path, trials=1, workers="1")


@pytest.mark.parametrize("name", ["best.tflite", "tune.json"])
def test_what_no_search_made_is_not_replaced(net, tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(EdgeqError, match=f"{name}' exists already"):
        tune(net[0], output=tmp_path, data=net[1], eval_data=net[1], trials=1)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_search_that_began_in_the_same_folder_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "journal.jsonl").write_text("another's\n")
    monkeypatch.setattr(type(tmp_path), "exists", lambda _: False)
    with pytest.raises(EdgeqError, match="Another search has begun"):
        Journal(tmp_path / "journal.jsonl", {}, fresh=False)
    assert (tmp_path / "journal.jsonl").read_text() == "another's\n"


@pytest.mark.parametrize(
    "change",
    [{"cycles": ["<b>"]}, {"latency_us": 10**19}, {"error": {}}, {"score": None}, {"score": True},
     {"flash_bytes": 1.5}, {"score_interval": [0]}, {"score_interval": ["a", "b"]},
     {"candidate": {"scheme": ["int8"]}}, {"candidate": {"narrow": "1"}}, {"candidate": []}],
)  # fmt: skip
def test_a_journal_with_values_of_other_kinds(tmp_path, change):
    """The table of trials was a traceback."""
    problem = {"edgeq": "1"}
    trial = Trial(Candidate(), 0.5, 1, 2, 3, score_interval=(0.25, 0.75))
    place = tmp_path / "journal.jsonl"
    whole = trial.to_json()
    lines = [problem, whole]
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(Journal(place, problem).trials.values()) == [trial]
    changed = {**whole, **change}
    place.write_text("".join(json.dumps(line) + "\n" for line in [problem, changed]))
    with pytest.raises(EdgeqError, match="this is no journal of a search"):
        Journal(place, problem)


def test_variants_that_come_later_belong_to_the_search_too(tmp_path):
    """Those of the first start alone did: trials of others were taken for what is trained now."""
    place = tmp_path / "journal.jsonl"
    plain, first, second = (
        {"metric": "m", "variants": {"plain": "0", **more}}
        for more in ({}, {"qat-int8": "a"}, {"qat-int8": "b"})
    )
    Journal(place, plain).add(Trial(Candidate()))
    Journal(place, first).add(Trial(Candidate(variant="qat-int8")))
    assert len(Journal(place, first).trials) == 2
    with pytest.raises(EdgeqError, match="the variant qat-int8 differ"):
        Journal(place, second)
    # Without the data they were trained on they cannot be made, and are not lost.
    assert list(Journal(place, plain).trials) == [Candidate().key]
    assert len(Journal(place, first).trials) == 2


def test_no_scheduler_there(net, tmp_path):
    pytest.importorskip("distributed")
    model, data = net
    with pytest.raises(EdgeqError, match="no dask scheduler"):
        tune(model, data=data, output=tmp_path, trials=1, workers="tcp://127.0.0.1:9")
    with pytest.raises(EdgeqError, match="--workers many"):
        tune(model, data=data, output=tmp_path, trials=1, workers="many")


def test_local_workers_leave_nothing_and_are_spared_ctrl_c(net, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    model, data = net
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    from edgeq.workflow.tuning import workers

    blocked = []
    cluster = workers._cluster

    def watched(*arguments):
        blocked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return cluster(*arguments)

    monkeypatch.setattr(workers, "_cluster", watched)
    tune(model, data=data, output=tmp_path / "t", trials=2, workers="2")
    assert blocked == [True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert not list(scratch.iterdir())


def test_an_old_journal_gives_way_to_the_first_new_trial(net, tmp_path):
    """Not to a search that cannot begin."""
    model, _ = net
    place, old = tmp_path / "journal.jsonl", json.dumps({"scheme": "old"}) + "\n"
    place.write_text(old)
    with pytest.raises(EdgeqError, match="There is no"):
        tune(model, data=tmp_path / "none.npz", output=tmp_path, trials=1, force=True)
    assert place.read_text() == old
    journal = Journal(place, {"scheme": "new"}, fresh=True)
    assert place.read_text() == old
    journal.add(Trial(Candidate(), error="nothing"))
    assert place.read_text().splitlines()[0] == json.dumps({"scheme": "new"})
    assert len(Journal(place, {"scheme": "new"}).trials) == 1
    place.write_text("")  # interrupted before its first line
    Journal(place, {"scheme": "new"})
    assert place.read_text() == json.dumps({"scheme": "new"}) + "\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_wait_until_the_workers_are_there(name):
    from edgeq.workflow.tuning.workers import _deaf_to_interrupts

    number, through = getattr(signal, name), []

    def take(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, take)
    try:
        with unwatched(), pytest.raises(KeyboardInterrupt), _deaf_to_interrupts():
            signal.raise_signal(number)
            through.append(name)
        assert through == [name]
        assert signal.getsignal(number) is take
    finally:
        signal.signal(number, before)


def test_a_lost_worker_loses_nothing(net, tmp_path):
    distributed = pytest.importorskip("distributed")
    model, data = net
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        killed = []

        def kill_one():
            journal = tmp_path / "journal.jsonl"
            while not (journal.exists() and len(journal.read_text().splitlines()) > 2):
                time.sleep(0.05)
            worker = next(iter(cluster.workers.values()))
            killed.append(worker.process.pid)
            worker.process.process._process.kill()

        threading.Thread(target=kill_one, daemon=True).start()
        found = tune(model, data=data, output=tmp_path, trials=8, workers=cluster.scheduler_address)
    assert killed
    assert len(found.trials) == 8
    assert not any("worker" in trial.error for trial in found.trials)


def test_labels_of_different_shapes(net, tmp_path):
    model, data = net
    (tmp_path / "mine.py").write_text("def most(outputs, labels): return float(outputs.max())\n")

    def uneven():
        yield from ((sample, np.ones(2 + at % 2)) for at, sample in enumerate(np.load(data)["x"]))

    how = {"data": data, "output": tmp_path / "t", "metric": f"{tmp_path / 'mine.py'}:most"}
    with pytest.raises(EdgeqError, match=r"labels have different shapes: \(2,\), \(3,\)"):
        tune(model, eval_data=uneven, limit=20, **how)
    with pytest.raises(EdgeqError, match="labels have different shapes"):
        prune(model, Task(uneven))
