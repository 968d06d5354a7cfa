"""Random Keras layers and functions of keras.ops that fit a value, for `random_nets`."""

import numpy as np

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hard_silu", "sigmoid",
    "hard_sigmoid", "tanh", "hard_tanh", "softplus", "softsign", "mish", "log_sigmoid", "linear",
    "exponential", "hard_shrink", "soft_shrink", "sparse_plus", "sparse_sigmoid",
    "squareplus", "tanh_shrink", "softmax", "log_softmax", "sparsemax",
)  # fmt: skip
USUAL = ACTIVATIONS[:12]


class RandomLayers:
    """Chooses layers, calls them, and notes what it did."""

    def __init__(self, keras, chance, steps):
        self.keras, self.layers, self.chance = keras, keras.layers, chance
        self.steps = steps
        self.shared = []

    def call(self, layer, value, what=None):
        """A layer on a value, noted; layers that have weights may be used again."""
        settings = getattr(layer, "get_config", dict)()
        text = {
            k: v
            for k, v in settings.items()
            if isinstance(v, int | float | str | tuple | list) and k not in ("name", "trainable")
        }
        self.steps.append(f"{type(layer).__name__} {what or text} on {value.shape}")
        result = layer(value)
        if result.shape == value.shape and layer.weights:
            self.shared.append((layer, tuple(value.shape)))
        return result

    def vector(self, value):
        """A value as (batch, n)."""
        layers = self.layers
        if len(value.shape) == 4:
            return self.chance.choice(
                (layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
            )()(value)
        if len(value.shape) == 3:
            return self.chance.choice(
                (layers.Flatten, layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D)
            )()(value)
        return value

    def grow(self, value):
        """One layer that fits a value."""
        chance = self.chance
        grow = {4: self.image, 3: self.sequence, 2: self.flat}.get(len(value.shape))
        pick = chance.random()
        if grow is None or pick < 0.3:
            return self.anywhere(value)
        if pick < 0.36:
            return self.nested(value)
        if pick < 0.44:
            return self.plain(value)
        return grow(value)

    def nested(self, value):
        """A model inside the model, sometimes used twice."""
        layers, chance = self.layers, self.chance
        width = int(value.shape[-1])
        inner = self.keras.Sequential(
            [self.keras.Input(value.shape[1:]), layers.Dense(width, self.activation())]
        )
        self.steps.append(f"nested Sequential on {value.shape}")
        result = inner(value)
        return inner(result) if chance.random() < 0.3 else result

    def plain(self, value):
        """Functions of keras.ops."""
        ops, chance = self.keras.ops, self.chance
        kinds = {
            "abs": lambda v: ops.abs(v),
            "square": lambda v: ops.square(v),
            "negative": lambda v: ops.negative(v),
            "sqrt": lambda v: ops.sqrt(ops.abs(v) + 0.1),
            "exp": lambda v: ops.exp(ops.minimum(v, 1.5)),
            "minimum": lambda v: ops.minimum(v, 0.4),
            "clip": lambda v: ops.clip(v, -0.5, 0.7),
            "mean": lambda v: v - ops.mean(v, axis=-1, keepdims=True),
            "max": lambda v: v - ops.max(v, axis=-1, keepdims=True),
            "sum": lambda v: ops.sum(v, axis=-1, keepdims=True) * 0.2 + v,
            "where": lambda v: ops.where(v > 0.2, v, v * 0.3),
            "flip": lambda v: ops.flip(v, axis=1),
            "slice": lambda v: v[:, : max(1, v.shape[1] - 1)],
            "divide": lambda v: v / (1.5 + ops.abs(v)),
            "power": lambda v: ops.power(ops.abs(v) + 0.2, 1.5),
            "roll": lambda v: ops.roll(v, 1, axis=1),
            "stack": lambda v: ops.concatenate([v, v * 0.5], axis=-1),
            "token": lambda v: ops.concatenate([_constants(ops, v[:, :1]), v], axis=1),
            "border": lambda v: ops.concatenate([v, _constants(ops, v)], axis=-1),
            "pad": lambda v: ops.pad(v, [[0, 0], [1, 1]] + [[0, 0]] * (len(v.shape) - 2)),
            "logical": lambda v: ops.cast(v > 0.1, "float32") * v,
            "round": lambda v: ops.sin(v) + ops.cos(v),
            "variance": lambda v: v / ops.sqrt(ops.var(v, axis=-1, keepdims=True) + 0.1),
        }
        name = chance.choice(sorted(kinds))
        self.steps.append(f"ops {name} on {value.shape}")
        return kinds[name](value)

    def activation(self):
        return self.chance.choice((None, None, *USUAL[:8]))

    def anywhere(self, value):
        """Layers for any rank."""
        layers, chance = self.layers, self.chance
        width = int(value.shape[-1])
        kind = chance.choice(
            ("Activation",) * 4
            + ("BatchNormalization", "BatchNormalization", "LayerNormalization", "PReLU", "ReLU")
            + ("RMSNormalization", "UnitNormalization", "GroupNormalization", "LeakyReLU", "ELU")
            + ("Dense", "Dropout", "Softmax", "Rescaling", "Reshape", "Permute", "GaussianNoise")
        )
        if kind == "Activation":
            name = chance.choice(ACTIVATIONS)
            return self.call(layers.Activation(name), value)
        rank = len(value.shape) - 1
        axes = list(range(1, rank)) if chance.random() < 0.5 else None
        made = {
            "BatchNormalization": lambda: layers.BatchNormalization(scale=chance.random() < 0.8),
            "LayerNormalization": lambda: layers.LayerNormalization(),
            "RMSNormalization": lambda: layers.RMSNormalization(),
            "UnitNormalization": lambda: layers.UnitNormalization(),
            "GroupNormalization": lambda: layers.GroupNormalization(
                chance.choice([g for g in (1, 2, 3, 4) if width % g == 0])
            ),
            "PReLU": lambda: layers.PReLU(shared_axes=axes),
            "ReLU": lambda: layers.ReLU(
                max_value=chance.choice((None, 6.0, 1.0, 2.5)),
                negative_slope=chance.choice((0.0, 0.0, 0.1)),
                threshold=chance.choice((0.0, 0.0, 0.3)),
            ),
            "LeakyReLU": lambda: layers.LeakyReLU(chance.choice((0.3, 0.01, 1.2))),
            "ELU": lambda: layers.ELU(chance.choice((1.0, 0.5))),
            "Dense": lambda: layers.Dense(chance.randint(1, 8), self.activation()),
            "Dropout": lambda: layers.Dropout(0.3),
            "GaussianNoise": lambda: layers.GaussianNoise(0.1),
            "Softmax": lambda: layers.Softmax(axis=chance.choice((-1, -1, 1))),
            "Rescaling": lambda: layers.Rescaling(chance.choice((0.5, -2.0)), offset=0.25),
            "Reshape": lambda: layers.Reshape(self.shape(value)),
            "Permute": lambda: layers.Permute(tuple(chance.sample(range(1, rank + 1), rank))),
        }
        return self.call(made[kind](), value)

    def shape(self, value):
        """Another shape of as many elements."""
        size = int(np.prod(value.shape[1:]))
        first = self.chance.choice([n for n in range(1, size + 1) if size % n == 0])
        rest = size // first
        second = self.chance.choice([n for n in range(1, rest + 1) if rest % n == 0])
        return self.chance.choice(((size,), (first, rest), (first, second, rest // second)))

    def image(self, value):
        layers, chance = self.layers, self.chance
        height, width, channels = (int(n) for n in value.shape[1:])
        small = min(height, width)
        kernel = chance.randint(1, min(3, small))
        padding = chance.choice(("same", "valid"))
        strides = chance.choice((1, 1, 2))
        dilation = chance.choice((1, 1, 2)) if strides == 1 and padding == "same" else 1
        common = {"padding": padding, "strides": strides}
        groups = chance.choice([g for g in (1, 1, 1, 2, 3) if channels % g == 0])
        usual = {"activation": self.activation(), "use_bias": chance.random() < 0.8, **common}
        made = {
            "Conv2D": lambda: layers.Conv2D(
                groups * chance.randint(1, 4), kernel, groups=groups, dilation_rate=dilation,
                **usual
            ),
            "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(
                kernel, depth_multiplier=chance.choice((1, 1, 2)), **usual
            ),
            "SeparableConv2D": lambda: layers.SeparableConv2D(
                chance.randint(1, 8), kernel, **usual
            ),
            "Conv2DTranspose": lambda: layers.Conv2DTranspose(
                chance.randint(1, 6), kernel, **usual
            ),
            "MaxPooling2D": lambda: layers.MaxPooling2D(min(2, small), **common),
            "AveragePooling2D": lambda: layers.AveragePooling2D(min(2, small), **common),
            "UpSampling2D": lambda: layers.UpSampling2D(
                2, interpolation=chance.choice(("nearest", "bilinear"))
            ),
            "ZeroPadding2D": lambda: layers.ZeroPadding2D(((0, 1), (1, 2))),
            "Cropping2D": lambda: layers.Cropping2D(((0, 1), (1, 0)) if small > 1 else 0),
            "Resizing": lambda: layers.Resizing(
                chance.randint(2, 8), chance.randint(2, 8),
                interpolation=chance.choice(("bilinear", "nearest")),
            ),
            "GlobalAveragePooling2D": lambda: layers.GlobalAveragePooling2D(
                keepdims=chance.random() < 0.5
            ),
            "GlobalMaxPooling2D": lambda: layers.GlobalMaxPooling2D(keepdims=chance.random() < 0.5),
            "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.2),
            "Flatten": lambda: layers.Flatten(),
        }  # fmt: skip
        weights = {"Conv2D": 6, "DepthwiseConv2D": 3, "MaxPooling2D": 2, "AveragePooling2D": 2}
        kinds = [k for k in made for _ in range(weights.get(k, 1))]
        layer = made[chance.choice(kinds)]()
        if min(small, height) < 2 and type(layer).__name__.startswith("Cropping"):
            return None
        return self.call(layer, value)

    def sequence(self, value):
        layers, chance = self.layers, self.chance
        steps = int(value.shape[1])
        kernel = chance.randint(1, min(3, steps))
        padding = chance.choice(("same", "valid", "causal"))
        dilation = chance.choice((1, 1, 2)) if padding != "valid" else 1
        strides = chance.choice((1, 2)) if dilation == 1 else 1
        plain = "same" if padding == "causal" else padding
        usual = {"activation": self.activation(), "use_bias": chance.random() < 0.8}
        sides = {"return_sequences": chance.random() < 0.5}
        made = {
            "Conv1D": lambda: layers.Conv1D(
                chance.randint(1, 8), kernel, padding=padding, dilation_rate=dilation,
                strides=strides, **usual,
            ),
            "SeparableConv1D": lambda: layers.SeparableConv1D(
                chance.randint(1, 6), kernel, padding=plain, **usual
            ),
            "DepthwiseConv1D": lambda: layers.DepthwiseConv1D(kernel, padding=plain, **usual),
            "Conv1DTranspose": lambda: layers.Conv1DTranspose(
                chance.randint(1, 6), kernel, padding=plain, strides=chance.choice((1, 2)), **usual
            ),
            "MaxPooling1D": lambda: layers.MaxPooling1D(min(2, steps), padding=plain),
            "AveragePooling1D": lambda: layers.AveragePooling1D(min(2, steps), padding=plain),
            "UpSampling1D": lambda: layers.UpSampling1D(2),
            "ZeroPadding1D": lambda: layers.ZeroPadding1D((1, 2)),
            "Cropping1D": lambda: layers.Cropping1D((0, 1 if steps > 1 else 0)),
            "TimeDistributed": lambda: layers.TimeDistributed(
                layers.Dense(chance.randint(1, 6), self.activation())
            ),
            "GlobalAveragePooling1D": lambda: layers.GlobalAveragePooling1D(),
            "GlobalMaxPooling1D": lambda: layers.GlobalMaxPooling1D(),
            "LSTM": lambda: layers.LSTM(chance.randint(2, 4), **sides),
            "GRU": lambda: layers.GRU(chance.randint(2, 4), **sides),
            "SimpleRNN": lambda: layers.SimpleRNN(chance.randint(2, 4), **sides),
        }  # fmt: skip
        if chance.random() < 0.15:
            attention = layers.MultiHeadAttention(2, chance.randint(1, 4))
            self.steps.append(f"MultiHeadAttention on {value.shape}")
            return attention(value, value, use_causal_mask=chance.random() < 0.3)
        if chance.random() < 0.05:
            self.steps.append(f"Attention on {value.shape}")
            return layers.Attention()([value, value])
        weights = {"Conv1D": 6, "LSTM": 1, "GRU": 1, "SimpleRNN": 1}
        kinds = [k for k in made for _ in range(weights.get(k, 2))]
        return self.call(made[chance.choice(kinds)](), value)

    def flat(self, value):
        layers, chance = self.layers, self.chance
        made = {
            "Dense": lambda: layers.Dense(chance.randint(1, 12), self.activation()),
            "RepeatVector": lambda: layers.RepeatVector(chance.randint(2, 4)),
            "Einsum": lambda: layers.EinsumDense("ab,bc->ac", chance.randint(1, 6), bias_axes="c"),
        }
        kind = chance.choice(("Dense", "Dense", "Dense", "RepeatVector", "Einsum"))
        return self.call(made[kind](), value)


def _constants(ops, like):
    """Numbers of a constant, a copy for each sample."""
    size = int(np.prod(like.shape[1:]))
    numbers = np.linspace(-1, 1, size, dtype=np.float32).reshape(1, *like.shape[1:])
    return ops.zeros_like(like) + numbers
