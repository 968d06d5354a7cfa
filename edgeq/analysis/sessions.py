"""A model on a device, in the form that the user's budgets choose."""

from __future__ import annotations

from pathlib import Path

from edgeq.analysis.budget import chosen_for
from edgeq.analysis.recordings import RecordingSession, as_fed, check_hears
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Session
from edgeq.devices.registry import open_device
from edgeq.model.model_file import read_graph


def open_session(
    address: str,
    model: Path,
    options: CompileOptions | None = None,
    *,
    reference: bool = False,
) -> Session:
    """A session with a .tflite file on the device of an address.

    Args:
        address: Device address.
        model: The .tflite file.
        options: How C is generated, where the address runs generated C; budgets choose its form.
        reference: Whether the device only says what is right: budgets are the other device's.

    Raises:
        EdgeqError: The device cannot be reached or cannot run this model.
        LimitError: No form of the program keeps to the budgets, or they cannot be judged there.
    """
    device = open_device(address)
    options = chosen_for(model, device.address, options or CompileOptions(), reference=reference)
    if options.frontend is None:
        return device.open(model, options)
    check_hears(device.address, options)
    graph = as_fed(read_graph(model), options)
    return RecordingSession(device.open(model, options), graph)
