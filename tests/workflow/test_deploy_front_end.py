"""`edgeq deploy --frontend`: what is compiled, measured and judged begins with samples."""

import json

from tests.analysis.evaluation.test_recordings import place  # noqa: F401  (a fixture)
from tests.frontend.test_features import run


def test_from_samples_to_events(place, capsys):  # noqa: F811
    target = ("-t", "nucleo-f446re", "-n", 3)
    files = ("--frontend", "ears.toml", "--recordings", "heard", "-o", "out")
    assert run("deploy", "louder.tflite", *files, *target, "--json") == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["met"]
    assert (found["events"]["found"], found["events"]["misses"]) == (3, 1)
    checks = [(check["on"], check["against"]) for check in found["verify"]]
    assert checks[-1] == ("sim:nucleo-f446re", "c")
    assert "tflm" in checks[0][1]
    assert all(check["equal"] for check in found["verify"])
    stages = [op["op"] for op in found["profile"]["ops"]]
    assert stages[0] == "FRONTEND_WINDOW"
    assert stages[-1] == "FRONTEND_DECISION"
    assert found["account"]["image"]["golden"]
    assert "louder_push" in (place / "out" / "c" / "louder.h").read_text()
    assert "DET curve" in (place / "out" / "report.html").read_text()
    manifest = json.loads((place / "out" / "manifest.json").read_text())["manifest"]
    assert set(manifest["sources"]) == {"model", "frontend", "recordings"}
    assert "frontend" not in manifest["configuration"]
    assert run("deploy", "louder.tflite", "--recordings", "heard", "-o", "no", *target) == 2
    (place / "edgeq.toml").write_text(
        '[deploy]\nmodel = "louder.tflite"\nfrontend = "ears.toml"\nrecordings = "heard"\n'
        'output = "again"\ntarget = "nucleo-f446re"\nverify = 2\nfrontend_precision = "int16"\n'
    )
    capsys.readouterr()
    assert run("deploy") == 0
    assert "3 of 4 found, 1 false accepts" in capsys.readouterr().out
