"""Random Keras nets through the converter: `python -m tests.conversion.fuzz -n 2000`.

Each net converts and computes what Keras computes, with names and order kept, or edgeq warns or
refuses with one of the reasons below. Anything else is a finding: an exception, a sentence that is
not on the list, a result that is worse than said, bytes of the C that are not the oracle's. A net
is made again from its number: `--only 17`.
"""

import argparse
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import edgeq
from edgeq.conversion.proof.limits import quality_limits
from edgeq.errors import EdgeqError, LimitError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run
from tests.conversion.random_nets import Net, random_net

SCHEMES = ("int8", "int8", "int16x8")
WARNINGS = {
    "more samples": r"Calibration may not be enough: ",
    "one sample": r"Sample \d+ alone widens ",
    "constant": r"Always the same value on this data: ",
    "not judged": r'Output ".*" is not judged',
    "quality": r'Output ".*" differs from the float model: .*signal-to-noise|first class agrees',
    "channels": r'In output ".*" the channels? ',
    "blame": r"Most of the error comes from ",
    "remedy": r"To come closer to the float model, try ",
    "unread": r'Input ".*" has no part in any output',
    "one class": r"All \d+ samples are class ",
    "still": r'(Channels?|Elements?) .* of ".*" (is|are) (the same throughout|of no weight)',
    "divisor": r"An input of zeros .* makes a divisor 0",
    "tflm": r"TensorFlow Lite Micro cannot run this model: ",
    "litert": r"LiteRT cannot run this model: .*LSTM.*: LiteRT has no int16 kernel",
}
REFUSALS = {
    "quality": r"The converted model does not compute what the float model does\..*"
    r"(signal-to-noise|first class agrees)",
    "not a number": r'Values are not finite at ".*" for sample',
    "drowned": r'(Channels?|Elements?) .* of ".*" (is|are) multiplied by ',
    "no integer kernel": r"(\d+ problems:\n)?(TOPK_V2|CUMSUM) stayed float32\.",
}
# Float arithmetic of two libraries, through exponentials and divisions.
_FLOAT_DB = 55.0
_SPARE_DB = 1.0
_VERIFIED = 8  # one in so many is compiled
_CHECKED = 2  # half of them, of each scheme, have their passes checked


def reason(text: str, known: dict[str, str]) -> str | None:
    """The name of a sentence on a list; None if it is not there."""
    return next((name for name, pattern in known.items() if re.match(pattern, text)), None)


def decibels(wanted, found) -> float:
    """Signal-to-noise ratio of one array to another."""
    wanted = np.asarray(wanted, np.float64).ravel()
    noise = ((wanted - np.asarray(found, np.float64).ravel()) ** 2).sum()
    signal = (wanted**2).sum()
    if noise <= 1e-12 * wanted.size:
        return np.inf
    return 10 * np.log10(max(signal, 1e-30) / noise)


def judged(
    net: Net, scheme: str, *, compiled: bool, checked: bool = True
) -> tuple[list[str], list[str]]:
    """The reasons that were given for a net, and what is wrong."""
    keys = dict(enumerate(net.data))
    with tempfile.TemporaryDirectory(prefix="edgeq-fuzz-") as folder:
        data, path = Path(folder) / "data.npz", Path(folder) / "net.tflite"
        np.savez(data, **{str(key): value for key, value in keys.items()})
        try:
            made = edgeq.convert(
                net.model, data=data, scheme=scheme, output=path, check_passes=checked
            )
        except LimitError as error:
            name = reason(error.what, REFUSALS)
            return [f"refused: {name}"], [] if name else [f"refusal: {error}"]
        except EdgeqError as error:
            name = reason(error.what, REFUSALS)
            return [f"refused: {name}"], [] if name else [f"refusal: {error}"]
        except Exception as error:  # noqa: BLE001  (all others are findings)
            frames = traceback.extract_tb(error.__traceback__)
            place = next((f for f in reversed(frames) if "/edgeq/" in f.filename), frames[-1])
            where = f"{Path(place.filename).name}:{place.lineno}"
            return [], [f"{type(error).__name__}: {str(error)[:300]} ({where})"]
        reasons, wrong = [], []
        for warning in made.warnings:
            name = reason(warning, WARNINGS)
            reasons.append(f"warned: {name}")
            wrong += [] if name else [f"warning: {warning}"]
        try:
            wrong += [*_edges(net, made), *_values(net, made, scheme)]
        except Exception as error:  # noqa: BLE001  (what was made does not run)
            wrong.append(f"{type(error).__name__}: {str(error)[:300]}")
        if compiled and not wrong:
            wrong += _bytes(path)
    return reasons, wrong


def _edges(net: Net, made) -> list[str]:
    """What is wrong with names, order and shapes."""
    graph = parse_graph(made.data)
    (signature,) = graph.signatures
    wrong = []
    if list(signature.inputs) != net.inputs:
        wrong.append(f"inputs are {list(signature.inputs)}, not {net.inputs}")
    if list(signature.outputs) != net.outputs:
        wrong.append(f"outputs are {list(signature.outputs)}, not {net.outputs}")
    shapes = [graph.main.tensors[i].shape[1:] for i in graph.main.inputs]
    if shapes != [samples.shape[1:] for samples in net.data]:
        wrong.append(f"inputs have the shapes {shapes}")
    return wrong


def _values(net: Net, made, scheme: str) -> list[str]:
    """Outputs that are not Keras's, or worse than the quality check says."""
    inputs = [keras_tensor(values) for values in net.data]
    if isinstance(net.model._inputs_struct, dict):
        packed = dict(zip(net.inputs, inputs, strict=True))
    else:
        packed = inputs if len(inputs) > 1 else inputs[0]
    # Left open, it is True behind layers such as Resizing, and statistics change.
    given = net.model(packed, training=False)
    wanted = [np.asarray(value) for value in _flat(given, net.model._outputs_struct)]
    floats, found = (run(data, net.data) for data in (made.float_model.data, made.data))
    if not len(wanted) == len(floats) == len(found) == len(made.quality.outputs):
        return [f"{len(found)} outputs, {len(wanted)} in Keras"]
    wrong = []
    limits = quality_limits(scheme)
    for keras, real, integer, said in zip(wanted, floats, found, made.quality.outputs, strict=True):
        if keras.dtype.kind in "iu":
            continue  # a first class may be another where two are equal; the logits stand beside
        if decibels(keras, real) < _FLOAT_DB:
            wrong.append(f"float output {said.name}: {decibels(keras, real):.1f} dB to Keras")
        ratio = decibels(keras, integer)
        if said.verdict == "good" and ratio < limits.warn_db - _SPARE_DB:
            wrong.append(f"output {said.name} is called good with {ratio:.1f} dB")
        claimed = said.signal_to_noise_db
        if claimed is not None and claimed < 30 and ratio < claimed - 6:
            wrong.append(f"output {said.name}: {claimed:.1f} dB said, {ratio:.1f} dB found")
    return wrong


def keras_tensor(values):
    """An array as Keras takes it."""
    import keras

    return keras.ops.convert_to_tensor(values)


def _flat(values, like) -> list:
    from edgeq.conversion.sources.structures import leaves

    return [value for _, value in leaves(values, like)]


def _bytes(path: Path) -> list[str]:
    """What is wrong with the C."""
    try:
        found = edgeq.verify(path, on="c", n=2)
    except Exception as error:  # noqa: BLE001  (all are findings)
        return [f"verify: {type(error).__name__}: {str(error)[:300]}"]
    if found.equal or not found.owned:
        return []
    return [f"C differs by {found.max_difference} from {found.against}: {found.first_op}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=500, help="nets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="one net, with what it is made of")
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.n) if asked.only is None else [asked.only]
    # Keras's words on keys that are not the names of their inputs.
    warnings.simplefilter("ignore")
    counts, bad, begun = Counter(), 0, time.monotonic()
    for done, number in enumerate(numbers, 1):
        scheme = SCHEMES[number % len(SCHEMES)]
        net = random_net(asked.seed, number)
        if asked.only is not None:
            print(*net.steps, sep="\n")
        checked = number // len(SCHEMES) % _CHECKED == 0 or asked.only is not None
        compiled = number % _VERIFIED == 0
        reasons, wrong = judged(net, scheme, compiled=compiled, checked=checked)
        counts.update(set(reasons) or {"good"})
        told = sorted({text for text in reasons if text.endswith(": quality")})
        if told:
            print(f"{number} {scheme} {', '.join(told)}", flush=True)
        if wrong:
            bad += 1
            print(f"{number} {scheme}: {'; '.join(net.steps)}\n    " + "\n    ".join(wrong))
        if done % 25 == 0 or done == len(numbers):
            rate = (time.monotonic() - begun) / done
            print(f"{done} nets, {bad} findings, {rate:.2f} s each: {dict(counts)}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
