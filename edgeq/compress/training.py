"""Short training of a Keras model: data in memory, a loss that fits, and no NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.compress.objective import choose_objective, keras_outputs
from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.data import DatasetOptions, Expected, InputSpec, Understood, open_dataset
from edgeq.data.labels import label_array
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.base import Score
from edgeq.metrics.outputs import Outputs
from edgeq.model.arrays import check_finite
from edgeq.support.array import Array
from edgeq.support.progress import counter, stage, track
from edgeq.support.seeds import check_seed

# Keras's own 0.99 needs more steps than a fine-tune has.
_MOMENTUM = 0.9
_CHECKED = 1000
# Learning rate after whole channels have gone: what is left has far to move (docs/schemes.md).
STRUCTURED_RATE = 5e-3


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        epochs: Passes over the data; 0 leaves the weights as the method made them.
        learning_rate: Of Adam, falling to zero along half a cosine.
        batch_size: Samples per step.
        teach: How much of the loss is the teacher's output, 0 to 1; the rest is the labels'.
        temperature: How much the teacher's probabilities are softened.
        loss: A Keras loss by name; None takes one that fits labels and output.
        seed: Of everything random.
    """

    epochs: int = 5
    learning_rate: float = 1e-3
    batch_size: int = 32
    teach: float = 0.0
    temperature: float = 2.0
    loss: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        rate = 0 < self.learning_rate < math.inf
        if self.epochs < 0 or not rate or self.batch_size < 1:
            raise UsageError(
                f"epochs {self.epochs}, learning rate {self.learning_rate}, batch size "
                f"{self.batch_size}: these are not possible.",
                hint="epochs from 0 on, the others above 0",
            )
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"temperature {self.temperature} is not possible.", hint="above 0")
        if not 0 <= self.teach <= 1:
            raise UsageError(f"teach {self.teach} is no share.", hint="0 to 1")


@dataclass(frozen=True)
class Quality:
    """How good a Keras model is.

    Attributes:
        metric: The figure's name, as `edgeq evaluate` has it.
        value: The figure.
        samples: On how many samples.
        larger_is_better: Which way of it is good.
        score: All that the metric found.
        guessing: Why the model is no better than a guess; empty where it is.
    """

    metric: str
    value: float
    samples: int
    larger_is_better: bool = True
    score: Score | None = field(default=None, repr=False, compare=False)
    guessing: str = ""


@dataclass(frozen=True)
class Labelled:
    """Samples in memory.

    Attributes:
        x: One array per model input, samples on the first axis.
        y: Labels; None for unlabelled data.
        understood: What was understood of the data; None where it was made here.
    """

    x: list[Array]
    y: Array | None
    understood: Understood | None = None

    def __len__(self) -> int:
        return len(self.x[0])


def load_data(
    model: Any,
    data: Any,
    options: DatasetOptions | None = None,
    *,
    labelled: bool = True,
    least: int = 2,
) -> Labelled:
    """Data that fits a Keras model, in memory.

    Args:
        model: The keras.Model.
        data: As for `edgeq evaluate`: a path, `module:function`, or arrays (x, y).
        options: How it is read.
        labelled: Whether it has labels.
        least: Samples that are needed.

    Raises:
        EdgeqError: It does not fit, or holds too few samples.
    """
    specs = [
        InputSpec(tensor.name, tuple(tensor.shape[1:]), tensor.dtype) for tensor in model.inputs
    ]
    # Names of classes need as many as the first output tells apart; numbers may be anything.
    last = int(model.outputs[0].shape[-1] or 1)
    expected = Expected(count=2 if last == 1 else last)
    dataset = open_dataset(data, specs, labelled=labelled, options=options, expected=expected)
    samples = list(track(dataset, "reading data", dataset.count))
    if len(samples) < least:
        raise EdgeqError("One sample is too few to train on.", dataset.source.where)
    x = [np.stack([sample.inputs[i] for sample in samples]) for i in range(len(specs))]
    y = label_array([sample.label for sample in samples]) if labelled else None
    return Labelled(x, y, dataset.understood)


def measure(model: Any, data: Labelled, outputs: Outputs | None = None) -> Quality:
    """The figure that `edgeq evaluate` has for such labels: accuracy, F1, mean IoU or MAE.

    Args:
        model: The keras.Model.
        data: Labelled samples.
        outputs: What the outputs' numbers are, where it is known.
    """
    objective = choose_objective(model, data.y, None, outputs=outputs)
    found = predict(model, data)
    score = objective.score(found)
    knows, figures = objective.knows(found)
    return Quality(
        score.metric,
        score.value,
        len(data),
        score.larger_is_better,
        score,
        "" if knows else figures,
    )


def predict(model: Any, data: Labelled) -> Array:
    """The model's first output for all samples."""
    return predict_all(model, data)[0]


def predict_all(model: Any, data: Labelled) -> list[Array]:
    """Every output of the model for all samples.

    Raises:
        EdgeqError: An answer is NaN or infinity.
    """
    _, keras = import_tensorflow()
    whole = plain(model)
    result = whole.predict(data.x, batch_size=256, verbose=0)
    found = [np.asarray(output) for output in keras.tree.flatten(result)]
    check_finite(found, [output.name for output in whole.outputs])
    return found


def plain(model: Any) -> Any:
    """The same model, with a list of inputs and a list of outputs whatever it has itself.

    What is compiled is this one, so a saved model holds no optimizer and no loss of edgeq's.
    """
    _, keras = import_tensorflow()
    return keras.Model(list(model.inputs), list(model.outputs))


def some_of(data: Labelled) -> Labelled:
    """So many samples, spread over the set, that a glance at them is quick."""
    step = max(1, len(data) // _CHECKED)
    return Labelled([x[::step] for x in data.x], None if data.y is None else data.y[::step])


def check_trained(
    model: Any, data: Labelled, where: str = "", outputs: Outputs | None = None
) -> None:
    """Refuse a model that is no better than a guess.

    Args:
        model: The keras.Model.
        data: Labelled samples; unlabelled ones are no test.
        where: What to blame.
        outputs: What the outputs' numbers are, where it is known.

    Raises:
        EdgeqError: It knows nothing about this data.
    """
    if data.y is None:
        return
    some = some_of(data)
    objective = choose_objective(model, some.y, None, outputs=outputs)
    knows, figures = objective.knows(predict(model, some))
    if knows:
        return
    raise EdgeqError(
        f"The model is not trained: {figures}.",
        where or model.name,
        "train it first; or the labels belong to another problem, or the inputs lack the "
        "normalization that it was trained with",
    )


def fit(
    model: Any,
    data: Labelled,
    training: Training,
    teacher: Any | None = None,
    outputs: Outputs | None = None,
    teacher_outputs: Outputs | None = None,
) -> None:
    """Train a model in place.

    Args:
        model: The keras.Model.
        data: Samples; without labels the teacher alone teaches.
        training: How.
        teacher: Its outputs are targets too, as much as `training.teach` says.
        outputs: What the numbers of the model's first output are, where it is known.
        teacher_outputs: What the teacher's are.

    Raises:
        EdgeqError: Labels do not fit the output, or weights became NaN.
    """
    if training.epochs == 0:
        return
    _, keras = import_tensorflow()
    keras.utils.set_random_seed(training.seed)
    _seed_layers(model, training.seed)
    teach = 1.0 if data.y is None else training.teach
    wanted: list[Array | None] = [None] * len(model.outputs)
    if teacher is not None and teach:
        wanted = [*predict_all(teacher, data)]
    goals = [
        choose_objective(
            model, data.y, training.loss, number, None if number else outputs, teacher
        ).with_teacher(
            answers,
            teach,
            training.temperature,
            _of_teacher(teacher, number, teacher_outputs),
        )
        for number, answers in enumerate(wanted)
    ]
    for layer in model.layers:
        if kind_of(layer) == "BatchNormalization":
            layer.momentum = min(layer.momentum, _MOMENTUM)
    steps = -(-len(data) // training.batch_size) * training.epochs
    rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, steps)
    pupil = plain(model)
    pupil.compile(optimizer=keras.optimizers.Adam(rate), loss=[loss for _, loss in goals])
    stage(f"training {training.epochs} epochs")
    with counter("training", steps) as advance:
        history = pupil.fit(
            data.x,
            [targets for targets, _ in goals],
            batch_size=training.batch_size,
            epochs=training.epochs,
            verbose=0,
            callbacks=[_callback(keras, advance)],
        )
    losses = history.history.get("loss", [0.0])
    if not (np.isfinite(losses[-1]) and all(np.isfinite(w).all() for w in model.get_weights())):
        raise EdgeqError(
            f"Training became NaN in epoch {len(losses)}.",
            model.name,
            f"a smaller learning rate than {training.learning_rate:g}, or look for NaN and very "
            "large values in the data",
        )


def _seed_layers(model: Any, seed: int) -> None:
    """Let Dropout and its kind draw the same numbers for the same seed."""
    for number, layer in enumerate(model._flatten_layers()):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign([seed, number])


def _of_teacher(teacher: Any | None, number: int, known: Outputs | None) -> Outputs | None:
    """What the numbers of one of the teacher's outputs are."""
    if teacher is None or (known is not None and not number):
        return known
    return keras_outputs(teacher, output=number)


def _callback(keras: Any, advance: Callable[[], None]) -> Any:
    """Moves the progress bar with every step, and ends training once the loss is no number.

    Keras's own TerminateOnNaN prints on stdout, which belongs to results.
    """

    class Steps(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
            advance()
            if not np.isfinite((logs or {}).get("loss", 0.0)):
                self.model.stop_training = True

    return Steps()
