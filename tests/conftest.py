"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.runner import make_runner
from tests.tools import need

os.environ.setdefault("EDGEQ_CHECK_PASSES", "1")  # of every conversion, also in processes begun

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

MLPERF_TINY = ("ad01", "kws", "resnet", "sww", "vww")


@pytest.fixture(scope="session", autouse=True)
def own_config(tmp_path_factory):
    """A folder of its own for what edgeq keeps of the user's: theirs is not touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and figures by other people, beside the repository."""
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    folder = Path(os.environ.get("EDGEQ_SHARED", default))
    need(folder.is_dir(), f"the shared models: {folder} (or EDGEQ_SHARED)")
    return folder


@pytest.fixture(scope="session")
def models(shared: Path) -> Path:
    """The folder of the MLPerf Tiny reference models."""
    return shared / "models" / "mlperf_tiny"


@pytest.fixture(params=MLPERF_TINY)
def int8_model(request: pytest.FixtureRequest, models: Path) -> Path:
    """Each of the five published full-int8 models in turn."""
    return models / f"{request.param}_int8.tflite"


@pytest.fixture
def cli(capsys):
    """Runs `edgeq ARGS...` in this process: cli("run", model, ...) gives code, out, err, json."""
    return make_runner(capsys)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`slow` is marked in a test's file, or measured (scripts/slow_tests.py)."""
    measured = set((Path(__file__).parent / "slow_tests.txt").read_text().splitlines())
    for item in items:
        if item.nodeid in measured or item.nodeid.partition("[")[0] in measured:
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the reviewed generated C"
    )
