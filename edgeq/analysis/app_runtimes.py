"""What the runtimes of phone apps take: by types, shapes and metadata of inputs and outputs.

LiteRT takes any model that it has kernels for; those that read pictures for an app want more.
Sources: MediaPipe Tasks, ImageClassifier, "input tensor" and "output tensor" of its API reference;
ML Kit, "Custom models with ML Kit", model requirements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.model.graph import Graph, Tensor

LITERT, MEDIAPIPE, ML_KIT = "LiteRT", "MediaPipe Tasks", "ML Kit"
_TAKEN = ("uint8", "float32")


@dataclass(frozen=True)
class AppRuntime:
    """Whether a runtime takes a model.

    Attributes:
        name: The runtime.
        problems: What it refuses, a sentence each; empty where it takes the model.
        remarks: What an app will miss all the same.
    """

    name: str
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.problems:
            return f"{self.name} refuses it: {'; '.join(self.problems)}"
        return f"{self.name} takes it" + (f" ({'; '.join(self.remarks)})" if self.remarks else "")


def app_runtimes(graph: Graph) -> tuple[AppRuntime, ...]:
    """The runtimes that apps use, and what each says of a model.

    Args:
        graph: The model as it would be put into an app; its metadata count.
    """
    problems = tuple(_problems(graph))
    labels = any(output.labels for output in graph.info.outputs)
    remarks = () if labels else ("without labels in the model an app sees class numbers",)
    return (
        AppRuntime(LITERT),
        AppRuntime(f"{MEDIAPIPE} (ImageClassifier)", problems, remarks),
        AppRuntime(f"{ML_KIT} (custom image classifier)", problems, remarks),
    )


def _problems(graph: Graph) -> Iterator[str]:
    main = graph.main
    if len(main.inputs) != 1:
        yield f"it has {len(main.inputs)} inputs, one is wanted"
    for index in main.inputs[:1]:
        tensor = main.tensors[index]
        if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[-1] != 3:
            shape = list(tensor.shape)
            yield f"the input is {shape}, a picture of [1, height, width, 3] is wanted"
        yield from _of_type(tensor, "input")
        if tensor.dtype == "float32" and not any(x.mean for x in graph.info.inputs[:1]):
            yield "a float32 input wants its mean and std in the metadata (--mean, --std)"
    output = main.tensors[main.outputs[0]]
    *front, classes = output.shape or (1,)
    if len(front) not in (1, 3) or any(size != 1 for size in front) or classes < 2:
        yield f"the output is {list(output.shape)}, [1, classes] with two classes or more is wanted"
    yield from _of_type(output, "output")


def _of_type(tensor: Tensor, what: str) -> Iterator[str]:
    if tensor.dtype not in _TAKEN:
        yield f"the {what} is {tensor.dtype}, {' or '.join(_TAKEN)} is wanted"
