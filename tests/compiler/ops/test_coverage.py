"""Every op has a generator, so that it is compared with the oracle."""

import numpy as np

from edgeq.compiler.ops import OPS
from edgeq.model.model_file import parse_graph
from tests.oracle.fuzz import generators

# COPY is none of TFLite's ops; the others give no code and are in the random graphs.
WITHOUT = {"COPY", "EXPAND_DIMS", "RESHAPE", "SQUEEZE"}


def test_every_op_has_a_generator():
    made = set()
    for name, make in generators().items():
        # A name with commas stands for several ops.
        for seed in range(60 if "," in name else 3):
            case = make(np.random.default_rng(seed), 3)
            made |= {op.custom_name or op.name for op in parse_graph(case.model).main.ops}
    assert set(OPS) - made <= WITHOUT
