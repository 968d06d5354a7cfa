"""From an integer .tflite to the one that an Ethos-U NPU runs, with Vela's report beside it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from edgeq import __version__
from edgeq.compiler.build.vela import NpuProgram
from edgeq.compiler.build.vela import compile_for_npu as run_vela
from edgeq.devices.vela import check_npu
from edgeq.support.jsontext import json_text
from edgeq.support.output import check_writable, digests, whole_directory, write_whole


def compile_for_npu(
    model: str | Path, output: str | Path, npu: str, *, force: bool = False
) -> NpuProgram:
    """Compile a model for an Ethos-U NPU into a folder; all of it or nothing.

    Args:
        model: An integer .tflite file.
        output: The folder to make: NAME_vela.tflite and Vela's report as manifest.json.
        npu: An NPU, such as "ethos-u55-128".
        force: Replace the folder if it exists.

    Returns:
        What Vela made of it; its figures are estimates.

    Raises:
        MissingDependency: Vela is not installed.
        EdgeqError: Vela leaves all of the model to the CPU, or does not take it.
        UsageError: There is no such NPU.
    """
    check_npu(npu)
    check_writable(Path(output), force=force, folder=True, inputs=[model])
    with tempfile.TemporaryDirectory(prefix="edgeq-") as scratch:
        made = run_vela(Path(model), npu, Path(scratch))
        with whole_directory(Path(output), force=force) as folder:
            shutil.copyfile(made.file, folder / made.file.name)
            report = {
                "edgeq": __version__,
                **asdict(made),
                "file": made.file.name,
                "estimated_by": f"Vela {made.version}",
                "digests": digests(folder),
            }
            write_whole(folder / "manifest.json", json_text(report) + "\n")
    return replace(made, file=Path(output) / made.file.name)
