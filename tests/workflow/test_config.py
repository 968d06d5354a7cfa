"""edgeq.toml: everything that is wrong is said at once."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import edgeq
from edgeq.analysis.limits import Limits
from edgeq.errors import EdgeqError, UsageError
from edgeq.workflow.config import DeployConfig, read_config


def write(tmp_path, text):
    path = tmp_path / "edgeq.toml"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path):
    (tmp_path / "test.npz").touch()
    config = read_config(
        write(
            tmp_path,
            """
            [deploy]
            model = "kws.keras"
            data = "calibration.npz"
            eval = "test.npz:specs,labels"
            target = "nucleo-f446re"
            verify = 20
            [reading]
            classes = ["yes", "no"]
            mean = [1, 2]
            [limits]
            accuracy_drop = 0.01
            flash = "128K"
            ram = 32768
            cycles = 5_000_000
            """,
        )
    )
    assert config.model == str(tmp_path / "kws.keras")
    assert config.eval == str(tmp_path / "test.npz:specs,labels")
    assert config.target == "nucleo-f446re"
    assert config.limits == Limits(
        accuracy_drop=0.01, flash_bytes=131072, ram_bytes=32768, cycles=5_000_000
    )
    assert config.reading.classes == ("yes", "no")
    assert config.reading.normalization.mean == (1.0, 2.0)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert read_config(write(tmp_path, '[deploy]\nmodel = "~/m.h5"')).model == "/home/me/m.h5"


def test_a_deviation_of_zero(tmp_path):
    with pytest.raises(EdgeqError, match="std"):
        read_config(write(tmp_path, '[deploy]\nmodel = "m.h5"\n[reading]\nstd = [0]'))


def test_generators_are_no_paths(tmp_path):
    text = '[deploy]\nmodel = "/models/m.h5"\ndata = "mypackage.data:samples"'
    config = read_config(write(tmp_path, text))
    assert config.model == "/models/m.h5"
    assert config.data == "mypackage.data:samples"
    assert config == DeployConfig(
        "/models/m.h5", data="mypackage.data:samples", output=config.output
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[deploy]\nmodell = "a"\n[limit]\nram = 3', ("modell", "model", "[limit]", "limits")),
        ("[deploy]\nscheme = 'int8'", ("no model",)),
        ("[deploy]\nmodel = 3", ("model = 3", "a text is wanted")),
        ("[deploy]\nmodel = ''", ("model is empty",)),
        ("[deploy]\nmodel = 'm'\ndata = ''", ("data is empty",)),
        ("[deploy]\nmodel = 'm'\nverify = true", ("verify = true", "a whole number is wanted")),
        ("[deploy]\nmodel = 'm'\nverify = 1.5", ("verify = 1.5", "a whole number is wanted")),
        ("[deploy]\nmodel = 'm'\ntarget = {a = 1}", ("target = a table", "a text is wanted")),
        ("[deploy]\nmodel = 'm'\n[limits]\ncycles = 'a'", ("cycles = 'a'", "a whole number")),
        ("[deploy]\nmodel = 'm'\n[limits]\nflash = true", ("flash = true", "32K", "[limits]")),
        ("[deploy]\nmodel = 'm'\n[limits]\nflash = 'big'", ("big",)),
        ("[deploy]\nmodel = 'm'\n[limits]\naccuracy = 'high'", ("accuracy = 'high'",)),
        ("[deploy]\nmodel = 'm'\n[reading]\nmean = ['x']", ("wrong type",)),
        ("[deploy]\nmodel = 'm'\nscheme = 'intt16'", ("no scheme 'intt16'", "int16x8")),
        ("[deploy]\nmodel = 'm'\nio = 'uin8'", ("io = 'uin8' means nothing", "uint8")),
        ("[deploy]\nmodel = 'm'\noptimize = 'fast'", ("optimize = 'fast'", "speed")),
        ("[deploy]\nmodel = 'm'\nfrontend_precision = 'flaot32'", ("'flaot32'", "float32")),
        ("[deploy]\nmodel = 'm'\npower = ''", ("power is empty",)),
        ("[deploy]\nmodel = 'm'\nverify = 0", ("verify = 0",)),
        ("[deploy]\nmodel = 'm'\nlimit = -5", ("limit = -5",)),
        ("[deploy]\nmodel = 'm'\n[limits]\nlatency_ms = nan", ("nan",)),
        ("[deploy]\nmodel = 'm'\n[limits]\nenergy_uj = -inf", ("-inf",)),
        ("[deploy]\nmodel = 'm'\n[limits]\naccuracy = 1e400", ("inf",)),
        ("[deploy]\nmodel = 'm'\n[limits]\naccuracy = 1e308", ("The limit accuracy is 1e+308",)),
        ("[deploy]\nmodel = 'm'\n[reading]\nmean = [inf]", ("inf",)),
        ("deploy = 3", ("'deploy' is a whole number", "must be a table", "[deploy]")),
        ("[[limits]]", ("'limits' is a list", "must be a table", "[limits]")),
        ("[deploy\n", ("no TOML",)),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(EdgeqError) as caught:
        read_config(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(EdgeqError, match="cannot read"):
        read_config(tmp_path / "none.toml")


def test_the_documented_file_is_read(tmp_path):
    document = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
    block = document.read_text().split("```toml\n")[1].split("```")[0]
    config = read_config(write(tmp_path, block))
    # It shows every key there is.
    unset = [name for name, value in vars(config).items() if value is None]
    assert unset == []
    assert [name for name, value in vars(config.limits).items() if value is None] == []


@pytest.mark.parametrize(
    "text",
    [
        '[deploy]\nmodel = "a\\nb.keras"',
        '[deploy]\nmodel = "m.h5"\ntarget = "\\u001b]0;x\\u0007"',
        '[deploy]\nmodel = "m.h5"\n[reading]\nclasses = ["yes", "\\u202eno"]',
        f'[deploy]\nmodel = "{"m" * 5000}"',
        "[deploy]\nmodel = " + "[" * 5000,
        f"[deploy]\nverify = {'9' * 5000}",
    ],
)
def test_text_that_is_no_short_line_is_refused(tmp_path, text):
    with pytest.raises(EdgeqError) as caught:
        read_config(write(tmp_path, text))
    assert str(caught.value).replace("\n", " ").isprintable()


def test_numbers_beyond_all_measure(tmp_path):
    for number in ("0x" + "f" * 10_000, "0b" + "1" * 100, "1" + "0" * 30):
        with pytest.raises(EdgeqError, match=r"bits|digits"):
            read_config(write(tmp_path, f'[deploy]\nmodel = "m.h5"\nverify = {number}'))


def test_words_that_mean_nothing_are_refused_from_python_and_the_command_line_too(cli, models):
    model = str(models / "ad01_int8.tflite")
    with pytest.raises(UsageError, match="not optimised for 'fast'"):
        edgeq.CompileOptions(optimize="fast")
    for name, word in (("optimize", "fast"), ("scheme", "int7"), ("io", "int7"), ("on", "")):
        with pytest.raises(UsageError, match=r"int7|fast|on is empty"):
            DeployConfig(model, **{name: word})
        done = cli("deploy", model, f"--{name}", word or " ")
        assert done.code in (1, 2)
        assert "Traceback" not in done.err
    for option in ("--target", "--sign", "--eval", "--output"):  # of a variable that is not set
        done = cli("deploy", model, option, "")
        assert (done.code, f"{option[2:]} is empty" in done.err) == (2, True), done.err
    for given in ({"cycles": float("nan")}, {"ram_bytes": "32K"}, {"threads": 0}, {"threads": 2.5}):
        with pytest.raises(UsageError, match=r"budget of (nan|32K) for|threads are not possible"):
            edgeq.CompileOptions(**given)
    with pytest.raises(UsageError, match="A precision is of a front end"):
        edgeq.deploy(DeployConfig(model, frontend_precision="int16"))


def test_the_front_end_of_a_model_has_a_precision(tmp_path):
    """It was refused where the front end is a layer of the model."""
    for name, layer in (("ears", "MelSpectrogram"), ("plain", "Dense")):
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("config.json", json.dumps({"layers": [{"class_name": layer}]}))
    asked = DeployConfig(str(tmp_path / "ears.keras"), frontend_precision="float32")
    asked.check_together()
    with pytest.raises(UsageError, match="A precision is of a front end"):
        replace(asked, model=str(tmp_path / "plain.keras")).check_together()


class _Seen(Exception):
    pass


@pytest.mark.parametrize(
    ("words", "mean", "std", "from_logits", "classes"),
    [
        ((), (0.5,), (2.0,), None, ("a", "b")),
        (("--from-logits",), (0.5,), (2.0,), True, ("a", "b")),
        (("--mean", "3"), (3.0,), (2.0,), None, ("a", "b")),
        (("--std", "4", "--classes", "c,d"), (0.5,), (4.0,), None, ("c", "d")),
    ],
)
def test_one_option_leaves_the_rest_of_the_file(
    words, mean, std, from_logits, classes, tmp_path, monkeypatch, cli
):
    """One of them dropped the whole table: data was read without the file's mean and std."""
    write(
        tmp_path,
        '[deploy]\nmodel = "m.keras"\ndata = "d.npz"\n'
        '[reading]\nmean = 0.5\nstd = 2.0\nclasses = ["a", "b"]\n',
    )
    monkeypatch.chdir(tmp_path)
    seen = []

    def deploy(config, **_):
        seen.append(config.reading)
        raise _Seen

    monkeypatch.setattr("edgeq.workflow.deployment.deploy", deploy)
    with pytest.raises(_Seen):
        cli("deploy", *words)
    (reading,) = seen
    assert (reading.normalization.mean, reading.normalization.std) == (mean, std)
    assert (reading.from_logits, reading.classes) == (from_logits, classes)


def test_functions_and_boards_of_the_user_start_from_the_file_s_folder(tmp_path, monkeypatch):
    """Another file of that name, in the current folder, was run."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name in ("score.py", "gen.py", "board.toml"):
        Path(name).write_text("")
    config = read_config(
        write(
            project,
            '[deploy]\nmodel = "m.keras"\ndata = "gen.py:data"\nmetric = "score.py:mine"\n'
            'target = "board.toml"\non = "sim:board.toml"\n',
        )
    )
    assert config.data == f"{project}/gen.py:data"
    assert config.metric == f"{project}/score.py:mine"
    assert config.target == f"{project}/board.toml"
    assert config.on == f"sim:{project}/board.toml"
    plain = write(project, '[deploy]\nmodel = "m.keras"\nmetric = "own.module:f"\non = "sim:m4"\n')
    assert (read_config(plain).metric, read_config(plain).on) == ("own.module:f", "sim:m4")
