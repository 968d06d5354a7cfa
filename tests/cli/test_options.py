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
        ("targets --fits m.tflite --isa avx2", "--fits (c) takes no --isa"),
        ("targets --fits m.tflite --runtime tflm --optimize ram", "(tflm) takes no --optimize"),
        ("targets raspberry-pi-5 --fits m.tflite", "There is no board among them"),
        ("inspect m.tflite --runtime tflm", "--runtime is of a board's program"),
        ("inspect m.tflite --no-golden", "--golden is of a board's program"),
        ("inspect m.tflite -t cortex-m4 --tflm-kernels reference", "is for --runtime tflm"),
        ("inspect m.tflite -t cortex-m4 --runtime tflm --golden", "are for generated C"),
        ("convert m.keras --labels l.txt --classes a,b", "--labels and --classes both name"),
        ("verify m.tflite --on c -i x.npy -n 5", "-n and --seed are of random inputs"),
        ("compile m -o c --name a=m --name b=m", "--name was given twice for a model"),
    ],
)
def test_what_would_have_no_effect_is_refused(cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = cli(*words.split())
    assert done.code == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("inspect", "m.tflite", "--check-runtime", ""), "check-runtime"),
        (("inspect", "m.tflite", "--check-runtime="), "check-runtime"),
        (("flash", "firmware", "--port", ""), "port"),
        (("evaluate", "m.tflite", "--data", ""), "data"),
        (("compile", "m.tflite", "-o", "c", "-n", ""), "n"),
        (("compress", "prune", "", "-o", "p.keras", "--data", "d.npz"), "an argument"),
    ],
)
def test_what_a_script_left_empty_is_refused(cli, words, named):
    done = cli(*words)
    assert (done.code, f"Error: {named} is empty" in done.err) == (2, True), done.err
