"""Bands of a front end that no bin of the spectrum lies in: they say nothing, whatever is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.options import CompileOptions
from edgeq.frontend.tables import Bands
from edgeq.model.graph import Op, Subgraph
from edgeq.model.joining import FrontEnd

_NAMED = 8


def silent_bands(front: FrontEnd | None) -> tuple[str, ...]:
    """A sentence for the user if some bands of a front end are always silent; else nothing."""
    if front is None:
        return ()
    main = front.graph(fpu=True).main
    for op in main.ops:
        heard = _heard(main, op)
        silent = np.flatnonzero(~heard).tolist()
        if not silent:
            continue
        named = ", ".join(map(str, silent[:_NAMED])) + (", ..." if silent[_NAMED:] else "")
        finer = "fft_length" if op.custom_name == "" else "frame_length"
        said = (
            f"{len(silent)} of {len(heard)} bands hold no bin of the spectrum and are always "
            f"silent ({named}): a larger {finer}, fewer num_mel_bins or a higher "
            "lower_edge_hertz"
        )
        return (said,)
    return ()


def silent_bands_of(options: CompileOptions | None) -> tuple[str, ...]:
    """The same of the front end that options bring, by its name."""
    front = None if options is None else options.frontend
    return tuple(f"{front.name}: {words}" for words in silent_bands(front)) if front else ()


def _heard(main: Subgraph, op: Op) -> NDArray[np.bool_]:
    """Which bands of an op have a bin; empty of ops that make none."""
    if op.custom_name == "SignalFilterBank":
        weights, unweights, _, starts, widths = (main.tensors[i].data for i in op.inputs[1:])
        assert starts is not None
        assert widths is not None
        parts = [slice(at, at + width) for at, width in zip(starts, widths, strict=True)]
        # What a band's bins lack of their weight counts in the next one; the first is left out.
        upper, lower = (
            np.array([np.any(table[part]) for part in parts])
            for table in (weights, unweights)
            if table is not None
        )
        return np.asarray(lower[:-1] | upper[1:])
    if op.options.get("widths") is None or op.options.get("weights") is None:
        return np.zeros(0, bool)
    found = Bands(*(op.options[key] for key in ("first", "weights", "widths", "norms")))
    return np.asarray(found.matrix(found.first + len(found.weights)).any(axis=1))
