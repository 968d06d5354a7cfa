"""An interpreter that is installed on the device: ai_edge_litert or tflite_runtime, with numpy."""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zipfile


def unpacked(wheel: str) -> str:
    """The folder with the content of a pushed wheel, made where it is not there as it should be."""
    import zipfile

    folder = wheel + ".d"
    with zipfile.ZipFile(wheel) as archive:
        if not _holds(folder, archive):
            shutil.rmtree(folder, ignore_errors=True)
            work = "%s.%d" % (folder, os.getpid())
            archive.extractall(work)
            try:
                os.rename(work, folder)
            except OSError:
                # Perhaps somebody else was faster, with the same content.
                if not _holds(folder, archive):
                    raise
    return folder


def _holds(folder: str, archive: zipfile.ZipFile) -> bool:
    """Whether a folder has every file of an archive, byte for byte: a device's disk may rot."""
    try:
        for member in archive.infolist():
            if not member.is_dir():
                with open(os.path.join(folder, member.filename), "rb") as file:
                    if zlib.crc32(file.read()) != member.CRC:
                        return False
    except OSError:
        return False
    return True


class Tensor:
    """One input or output of a model."""

    def __init__(self, detail: dict[str, Any]) -> None:
        import numpy as np

        self.index = detail["index"]
        self.dtype = np.dtype(detail["dtype"]).name
        self.shape = [int(each) for each in detail["shape"]]
        self.size_bytes = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class Model:
    """A .tflite file in the Python interpreter of an installed package."""

    def __init__(self, command: dict[str, Any]) -> None:
        if command.get("library"):
            sys.path.insert(0, unpacked(command["library"]))
        module = self._module(command["runtime"])
        self.version = self._version(command["runtime"])
        self.delegate = command.get("delegate", "xnnpack")
        options: dict[str, Any] = {"num_threads": int(command.get("threads", 1))}
        if self.delegate in ("none", "reference"):
            kinds = module.OpResolverType
            options["experimental_op_resolver_type"] = (
                kinds.BUILTIN_REF
                if self.delegate == "reference"
                else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            )
        self._interpreter = module.Interpreter(model_path=command["model"], **options)
        self._interpreter.allocate_tensors()
        self.delegate = self._delegate_that_runs()
        self.inputs = [Tensor(each) for each in self._interpreter.get_input_details()]
        self.outputs = [Tensor(each) for each in self._interpreter.get_output_details()]

    def _delegate_that_runs(self) -> str:
        """What was asked for, or "none" where the interpreter shows no part that it took."""
        try:
            ops = self._interpreter._get_ops_details()
        except AttributeError:
            return str(self.delegate)
        taken = any("DELEGATE" in op["op_name"].upper() for op in ops)
        return str(self.delegate) if taken or self.delegate == "reference" else "none"

    @staticmethod
    def _module(runtime: str) -> Any:
        import importlib

        return importlib.import_module(runtime + ".interpreter")

    @staticmethod
    def _version(runtime: str) -> str:
        try:
            from importlib.metadata import version
        except ImportError:  # Python 3.7
            return runtime
        try:
            return version(runtime.replace("_", "-"))
        except Exception:  # noqa: BLE001  (a pushed wheel has no metadata on the path)
            return runtime

    def write(self, tensor: Tensor, data: bytes) -> None:
        """Fill an input."""
        import numpy as np

        array = np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
        self._interpreter.set_tensor(tensor.index, array)

    def read(self, tensor: Tensor) -> bytes:
        """The bytes of an output."""
        data: bytes = self._interpreter.get_tensor(tensor.index).tobytes()
        return data

    def invoke(self) -> None:
        """One inference."""
        self._interpreter.invoke()

    def op_times(self, runs: int) -> list[tuple[int, str, bool, list[float]]]:
        """Nothing: this interpreter exposes no times per op."""
        del runs
        return []
