"""Random Functional Keras nets: layers, activations, branches, shared layers, several ins and outs.

A net is made again from its seed and number. Weights are random, of a size that keeps values near
one, and so are statistics, slopes and biases, which are nothing in a net that was never trained.
"""

import random
from dataclasses import dataclass, field

import numpy as np

from tests.conversion.random_layers import RandomLayers

SAMPLES = 24


@dataclass
class Net:
    """A random net and what a converter must keep of it.

    Attributes:
        model: The keras.Model.
        inputs, outputs: Names by position.
        data: One array per input.
        steps: What it was built of.
    """

    model: object
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    data: list = field(default_factory=list)
    steps: list = field(default_factory=list)


def random_net(seed: int, number: int) -> Net:
    """A net; the same for the same numbers."""
    import keras

    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(number + 1)
    return _Builder(keras, random.Random(f"{seed} {number}"), number).net()


class _Builder:
    """Grows a net from its inputs."""

    def __init__(self, keras, chance, number):
        self.keras, self.layers, self.chance = keras, keras.layers, chance
        self.values, self.used, self.steps = [], set(), []
        self.random = np.random.default_rng(number)
        self.grown = RandomLayers(keras, chance, self.steps)

    def net(self) -> Net:
        chance = self.chance
        sources, data = [], []
        for position in range(chance.choice((1, 1, 1, 2, 2, 3))):
            source, samples, value = self.source(position)
            sources.append(source)
            data.append(samples)
            self.values.append(value)
        for _ in range(chance.randint(1, 7)):
            self.step()
        outputs = self.heads()
        packed, names = self.packed(outputs)
        given, inputs, data = self.given(sources, data)
        model = self.keras.Model(given, packed)
        _scatter(model, self.random)
        return Net(model, inputs, names, data, self.steps)

    def source(self, position):
        """An input, its samples and the first value made of it."""
        chance, layers = self.chance, self.layers
        name = chance.choice(("x", "image", "a", "z", "first", "Input-2")) + str(position)
        kind = chance.choice(("image", "image", "sequence", "vector", "pixels", "index"))
        shapes = {
            "image": (chance.randint(4, 9), chance.randint(4, 9), chance.randint(1, 4)),
            "pixels": (8, 8, 3),
            "sequence": (chance.randint(4, 10), chance.randint(2, 6)),
            "vector": (chance.randint(2, 12),),
            "index": (chance.randint(2, 8),),
        }
        shape = shapes[kind]
        self.steps.append(f"{name}: {kind} {shape}")
        if kind == "index":
            source = self.keras.Input(shape, dtype="int32", name=name)
            samples = self.random.integers(0, 20, (SAMPLES, *shape)).astype(np.int32)
            return source, samples, layers.Embedding(20, chance.randint(2, 8))(source)
        source = self.keras.Input(shape, name=name)
        if kind == "pixels":
            samples = self.random.integers(0, 256, (SAMPLES, *shape)).astype(np.float32)
            scale = layers.Rescaling(1 / 127.5, offset=-1)
            return source, samples, scale(source)
        samples = self.random.normal(0, 1, (SAMPLES, *shape)).astype(np.float32)
        return source, samples, source

    def take(self, rank=None):
        """A value made so far, the latest most often."""
        known = [i for i, v in enumerate(self.values) if rank is None or len(v.shape) == rank]
        if not known:
            return None
        index = known[-1] if self.chance.random() < 0.6 else self.chance.choice(known)
        self.used.add(index)
        return self.values[index]

    def step(self):
        """One layer more, or two values joined, or a layer used again."""
        kind = self.chance.random()
        if kind < 0.15 and len(self.values) > 1:
            made = self.join()
        elif kind < 0.25 and self.grown.shared:
            made = self.again()
        else:
            made = self.grown.grow(self.take())
        if made is not None and 0 not in made.shape[1:] and np.prod(made.shape[1:]) <= 4096:
            self.values.append(made)

    def again(self):
        layer, shape = self.chance.choice(self.grown.shared)
        fitting = [i for i, v in enumerate(self.values) if tuple(v.shape) == shape]
        index = self.chance.choice(fitting) if fitting else None
        if index is None:
            return None
        self.used.add(index)
        self.steps.append(f"again {layer.name} on {shape}")
        return layer(self.values[index])

    def join(self):
        """Two values joined by an op or side by side."""
        layers, chance = self.layers, self.chance
        first = self.take()
        alike = [v for v in self.values if v.shape == first.shape and v is not first]
        if alike:
            second = chance.choice(alike)
            kind = chance.choice(
                ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate")
            )
            self.mark(second)
            self.steps.append(f"{kind} on {first.shape}")
            return getattr(layers, kind)()([first, second])
        second = self.take()
        self.steps.append(f"joined vectors of {first.shape} and {second.shape}")
        return layers.Concatenate()([self.grown.vector(first), self.grown.vector(second)])

    def mark(self, value):
        self.used.update(i for i, v in enumerate(self.values) if v is value)

    def heads(self):
        """The outputs: all that nothing reads, at most three, and sometimes a value inside."""
        layers, chance = self.layers, self.chance
        left = [v for i, v in enumerate(self.values) if i not in self.used]
        if len(left) > 3:
            self.steps.append(f"the last {len(left) - 2} joined")
            left = [*left[:2], layers.Concatenate()([self.grown.vector(v) for v in left[2:]])]
        outputs = []
        for value in left:
            kind = chance.choice(("as it is", "Dense", "softmax", "sigmoid", "argmax"))
            if kind != "as it is":
                vector = self.grown.vector(value)
                activation = kind if kind in ("softmax", "sigmoid") else None
                value = layers.Dense(chance.randint(2, 5), activation)(vector)
            if kind == "argmax":
                outputs.append(self.keras.ops.argmax(value, axis=-1))
            self.steps.append(f"output {kind} {value.shape}")
            outputs.append(value)
        outputs = outputs[:4]
        inside = self.values[-1] if chance.random() < 0.15 else None
        if inside is not None and all(inside is not o for o in outputs):
            self.steps.append(f"output inside {inside.shape}")
            outputs.append(inside)
        # A model that only hands its input on is no model.
        return [layers.Dense(2)(self.grown.vector(o)) if self.is_source(o) else o for o in outputs]

    def is_source(self, value):
        return type(value._keras_history.operation).__name__ in ("InputLayer", "Embedding")

    def packed(self, outputs):
        """The outputs in a structure, and the names that they shall have."""
        chance = self.chance
        kind = chance.choice(("list", "list", "dict", "nested"))
        keys = chance.sample(("zoo", "b", "Alpha", "out_1", "scores", "m"), len(outputs))
        if kind == "dict":
            return dict(zip(keys, outputs, strict=True)), keys
        if kind == "nested" and len(outputs) > 2:
            names = [f"{keys[0]}/0", f"{keys[0]}/1", *keys[1 : len(outputs) - 1]]
            rest = dict(zip(keys[1:], outputs[2:], strict=False))
            return {keys[0]: outputs[:2], **rest}, names
        names = _numbered([o._keras_history.operation.name for o in outputs])
        return (outputs[0] if len(outputs) == 1 else outputs), names

    def given(self, sources, data):
        """The inputs in a structure, their names, and the samples in that order."""
        names = [s.name for s in sources]
        if self.chance.random() < 0.3:
            order = self.chance.sample(range(len(sources)), len(sources))
            sources, data = [sources[i] for i in order], [data[i] for i in order]
            names = [f"k{i}" for i in order] if self.chance.random() < 0.5 else [
                names[i] for i in order
            ]  # fmt: skip
            return dict(zip(names, sources, strict=True)), names, data
        return (sources[0] if len(sources) == 1 else sources), names, data


def _numbered(names):
    """Names of layers; one that stands there twice has a number the second time."""
    return [f"{n}:{names[:i].count(n) + 1}" if n in names[:i] else n for i, n in enumerate(names)]


def _scatter(model, chance) -> None:
    """Statistics, biases and slopes as training leaves them."""
    for variable in model.weights:
        name, shape = variable.path.rsplit("/", 1)[-1], variable.shape
        if name in ("bias", "beta", "moving_mean"):
            variable.assign(chance.normal(0, 0.3, shape))
        elif name in ("gamma", "scale"):
            variable.assign(chance.uniform(0.5, 1.5, shape))
        elif name == "moving_variance":
            variable.assign(chance.uniform(0.3, 2.0, shape))
        elif name == "alpha":
            variable.assign(chance.uniform(-0.3, 0.3, shape))
