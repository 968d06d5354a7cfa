"""Runs models on the oracle in a process of its own, which may die of a model it trusts too much.

Reads pickled (oracle, model, calls, reset) from stdin; answers (outputs, "") or (None, reason).
"""

import os
import pickle
import sys

import numpy as np

from edgeq.devices.native_output import captured_stderr

# For the few models that do not fit into the usual one.
_LARGE_ARENA = 1 << 28


def run_tflm(model, calls, reset=None):
    """Outputs of every call on TensorFlow Lite Micro, which is reset before call `reset`."""
    from tflite_micro.python.tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(model, None, max(1 << 20, 16 * len(model)))
    except RuntimeError:
        interpreter = runtime.Interpreter.from_bytes(model, None, _LARGE_ARENA)
    results = []
    for number, inputs in enumerate(calls):
        if number == reset:
            interpreter.reset()
        for position, value in enumerate(inputs):
            interpreter.set_input(value, position)
        interpreter.invoke()
        results.append([np.array(interpreter.get_output(i)) for i in range(_outputs(model))])
    return results


def run_litert(model, calls, reset=None):
    """Outputs of every call on LiteRT's reference kernels, with state as new before `reset`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    results = []
    for number, inputs in enumerate(calls):
        if number == reset:
            interpreter.reset_all_variables()
        for detail, value in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        results.append([interpreter.get_tensor(detail["index"]) for detail in outputs])
    return results


def _outputs(model):
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAs(model).Subgraphs(0).OutputsLength()


def main():
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            oracle, model, calls, reset = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        with captured_stderr() as printed:
            try:
                run = run_tflm if oracle == "tflm" else run_litert
                answer = (run(model, calls, reset), "")
            except (RuntimeError, ValueError) as error:
                answer = (None, f"{error} {printed.text().strip()}")
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
