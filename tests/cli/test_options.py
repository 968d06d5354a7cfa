"""No option of the user's is taken and then forgotten."""

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("convert m.keras -o m.tflite --max-drop 0.01", "--max-drop is of --compare"),
        ("convert m.keras -o m.tflite --on c", "--on is of --compare"),
        ("convert m.keras -o m.tflite --metric regression", "--metric is for labelled data"),
        ("convert m.keras --compare int8 --eval t.npz --ranges", "--ranges is of one conversion"),
        ("convert m.keras --compare int8 --eval t.npz --explain", "--explain is of one conversion"),
        ("inspect m.keras --float --target cortex-m4", "--float takes no --target"),
        ("inspect m.keras --float --ram 2K", "--float takes no --ram"),
        ("targets --ram 2K", "takes no --ram"),
        ("targets nucleo-f446re --runtime tflm", "takes no --runtime"),
    ],
)
def test_what_would_have_no_effect_is_refused(cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = cli(*words.split())
    assert done.code == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []
