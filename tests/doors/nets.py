"""The same nets in Keras and in PyTorch, with the same weights.

Each net's last layer is fitted to classes that can be told apart, so that a first class means
something without training.
"""

from dataclasses import dataclass

import numpy as np

CLASSES = 6


@dataclass(frozen=True)
class Pair:
    """One net twice.

    Attributes:
        keras: The keras.Model.
        torch: The torch.nn.Module in its own order of axes, in evaluation mode.
        x: Samples as Keras has them.
        turn: Which axis of a Keras sample (batch included) each axis of PyTorch's is.
    """

    keras: object
    torch: object
    x: np.ndarray
    turn: tuple

    @property
    def file_x(self):
        """The samples as PyTorch has them."""
        return np.ascontiguousarray(np.transpose(self.x, self.turn))


def pair(name, count=300):
    """One of NETS, with weights and samples that are the same every time."""
    import keras
    import torch

    keras.utils.set_random_seed(3)
    keras.backend.clear_session()
    torch.manual_seed(3)
    make, module, shape = NETS[name]
    model = make(keras, keras.layers)
    x, y = _samples(shape, count)
    _settle(keras, model, x)
    _fit_head(keras, model, x, y)
    twin = module()
    _copy(model, twin)
    turn = {4: (0, 3, 1, 2), 3: (0, 2, 1) if name == "tcn" else (0, 1, 2)}[x.ndim]
    return Pair(model, twin.eval(), x, turn)


def _samples(shape, count):
    random = np.random.default_rng(11)
    centres = random.normal(0, 1, (CLASSES, *shape))
    y = random.integers(0, CLASSES, count)
    return (centres[y] + random.normal(0, 0.5, (count, *shape))).astype(np.float32), y


def _settle(keras, model, x):
    """Statistics of batch normalization as training would leave them."""
    norms = [n for n in model.layers if isinstance(n, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(x[:64], training=True)


def _fit_head(keras, model, x, y):
    """Weights of the last dense layer by least squares."""
    head = model.layers[-1]
    features = keras.Model(model.inputs, head.input).predict(x, batch_size=64, verbose=0)
    ones = np.concatenate([features, np.ones((len(x), 1))], 1)
    scale = float(np.mean(np.square(ones)))
    squares = ones.T @ ones + 1e-2 * scale * len(x) * np.eye(ones.shape[1])
    solved = np.linalg.solve(squares, ones.T @ (4.0 * np.eye(CLASSES)[y]))
    head.set_weights([solved[:-1].astype(np.float32), solved[-1].astype(np.float32)])


def _copy(model, twin):
    """Keras's weights into PyTorch's modules, which come in the same order."""
    import torch

    theirs = [m for m in twin.modules() if type(m).__name__ in _COPIES]
    ours = [layer for layer in model.layers if layer.weights]
    assert len(theirs) == len(ours), (len(theirs), len(ours))
    with torch.no_grad():
        for layer, module in zip(ours, theirs, strict=True):
            values = _COPIES[type(module).__name__](layer)
            for name, value in values.items():
                target = (
                    module.get_parameter(name) if "running" not in name else getattr(module, name)
                )
                target.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _conv(layer):
    kernel, *bias = layer.get_weights()
    if type(layer).__name__.startswith("Depthwise"):
        turned = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
    else:
        turned = np.moveaxis(kernel, (-1, -2), (0, 1))
    return {"weight": turned, **({"bias": bias[0]} if bias else {})}


def _dense(layer):
    kernel, bias = layer.get_weights()
    return {"weight": kernel.T, "bias": bias}


def _norm(layer):
    gamma, beta, mean, variance = layer.get_weights()
    return {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}


def _lstm(layer):
    kernel, own, bias = layer.get_weights()
    return {"weight_ih_l0": kernel.T, "weight_hh_l0": own.T, "bias_ih_l0": bias,
            "bias_hh_l0": 0 * bias}  # fmt: skip


def _gru(layer):
    def turned(x):  # Keras has z, r, h; PyTorch r, z, n
        z, r, h = np.split(x, 3, axis=-1)
        return np.concatenate([r, z, h], axis=-1)

    kernel, own, bias = (turned(x) for x in layer.get_weights())
    return {"weight_ih_l0": kernel.T, "weight_hh_l0": own.T, "bias_ih_l0": bias[0],
            "bias_hh_l0": bias[1]}  # fmt: skip


def _attention(layer):
    q, qb, k, kb, v, vb, out, ob = layer.get_weights()
    flat = [x.reshape(x.shape[0], -1).T for x in (q, k, v)]
    return {
        "in_proj_weight": np.concatenate(flat),
        "in_proj_bias": np.concatenate([x.ravel() for x in (qb, kb, vb)]),
        "out_proj.weight": out.reshape(-1, out.shape[-1]).T,
        "out_proj.bias": ob,
    }


_COPIES = {
    "Conv1d": _conv, "Conv2d": _conv, "Linear": _dense, "BatchNorm2d": _norm, "LSTM": _lstm,
    "GRU": _gru, "MultiheadAttention": _attention,
    "LayerNorm": lambda layer: dict(zip(("weight", "bias"), layer.get_weights(), strict=True)),
}  # fmt: skip


def _same(size, kernel, stride):
    """TensorFlow's padding along one axis: before, after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _torch_conv(parts, size, out, kernel=3, stride=1, groups=1, bias=False):
    """Pad, convolution and norm as PyTorch users write them, into a list of modules."""
    from torch import nn

    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    pads = [_same(n, k, stride) for n, k in zip(size[1:], kernel, strict=True)]
    even = all(a == b for a, b in pads)
    if not even:
        parts.append(nn.ZeroPad2d((*pads[1], *pads[0])))
    parts.append(
        nn.Conv2d(
            size[0], out, kernel, stride, padding=tuple(a for a, _ in pads) if even else 0,
            groups=groups, bias=bias,
        )
    )  # fmt: skip
    size[:] = [out, *(-(-n // stride) for n in size[1:])]


def _ds_cnn(keras, layers):
    x = inputs = keras.Input((49, 10, 1))
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(64, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _ds_cnn_torch():
    from torch import nn

    size, parts = [1, 49, 10], []
    _torch_conv(parts, size, 64, (10, 4), 2)
    parts += [nn.BatchNorm2d(64, eps=1e-3), nn.ReLU()]
    for _ in range(4):
        _torch_conv(parts, size, 64, groups=64)
        parts += [nn.BatchNorm2d(64, eps=1e-3), nn.ReLU()]
        _torch_conv(parts, size, 64, 1)
        parts += [nn.BatchNorm2d(64, eps=1e-3), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def _mobile_net(keras, layers):
    return keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, classes=CLASSES, classifier_activation=None
    )


_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
           (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip


def _divisible(n):
    made = max(8, int(n + 4) // 8 * 8)
    return made + 8 if made < 0.9 * n else made


def _mobile_net_torch():
    from torch import nn

    def norm(n, act=True):
        return [nn.BatchNorm2d(n, eps=1e-3), *([nn.ReLU6()] if act else [])]

    class Block(nn.Module):
        def __init__(self, parts, added):
            super().__init__()
            self.layers, self.added = nn.Sequential(*parts), added

        def forward(self, x):
            return x + self.layers(x) if self.added else self.layers(x)

    size, parts = [3, 96, 96], []
    _torch_conv(parts, size, 16, 3, 2)
    parts += norm(16)
    for times, filters, many, first in _BLOCKS:
        for i in range(many):
            stride, before, out = first if i == 0 else 1, size[0], _divisible(filters * 0.35)
            inner = []
            if times > 1:
                _torch_conv(inner, size, before * times, 1)
                inner += norm(size[0])
            _torch_conv(inner, size, size[0], 3, stride, groups=size[0])
            inner += norm(size[0])
            _torch_conv(inner, size, out, 1)
            inner += norm(out, act=False)
            parts.append(Block(inner, stride == 1 and before == out))
    _torch_conv(parts, size, 1280, 1)
    parts += norm(1280)
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, CLASSES))


def _res_net(keras, layers):
    def conv(x, n, k=3, s=1):
        return layers.Conv2D(n, k, strides=s, padding="same")(x)

    x = inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(layers.BatchNormalization()(conv(x, 16)))
    for n, s in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(conv(x, n, s=s)))
        y = layers.BatchNormalization()(conv(y, n))
        x = layers.ReLU()(layers.Add()([x if s == 1 else conv(x, n, 1, s), y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _res_net_torch():
    from torch import nn

    class Block(nn.Module):
        def __init__(self, size, n, s):
            super().__init__()
            before, first, second = list(size), [], []
            _torch_conv(first, size, n, 3, s, bias=True)
            _torch_conv(second, size, n, bias=True)
            self.first = nn.Sequential(*first, nn.BatchNorm2d(n, eps=1e-3), nn.ReLU())
            self.second = nn.Sequential(*second)
            # In Keras's order of layers the shortcut stands before the last norm.
            self.short = nn.Conv2d(before[0], n, 1, s) if s > 1 else nn.Identity()
            self.norm = nn.BatchNorm2d(n, eps=1e-3)

        def forward(self, x):
            return nn.functional.relu(self.short(x) + self.norm(self.second(self.first(x))))

    size, parts = [3, 32, 32], []
    _torch_conv(parts, size, 16, bias=True)
    parts += [nn.BatchNorm2d(16, eps=1e-3), nn.ReLU()]
    parts += [Block(size, n, s) for n, s in ((16, 1), (32, 2), (64, 2))]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def _tcn(keras, layers):
    x = inputs = keras.Input((40, 12))
    for i in range(4):
        y = layers.Conv1D(24, 3, dilation_rate=2**i, padding="causal", activation="relu")(x)
        x = y if i == 0 else layers.Add()([x, y])
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


def _tcn_torch():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = (12, 24, 24, 24)
            self.convs = nn.ModuleList(
                nn.Conv1d(n, 24, 3, dilation=2**i) for i, n in enumerate(sizes)
            )
            self.head = nn.Linear(24, CLASSES)

        def forward(self, x):
            for i, conv in enumerate(self.convs):
                y = conv(nn.functional.pad(x, (2 * 2**i, 0))).relu()
                x = y if i == 0 else x + y
            return self.head(x.mean(2))

    return Net()


def _recurrent(kind):
    def make(keras, layers):
        x = inputs = keras.Input((24, 10))
        return keras.Model(inputs, layers.Dense(CLASSES)(getattr(layers, kind)(20)(x)))

    def make_torch():
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = getattr(nn, kind)(10, 20, batch_first=True)
                self.head = nn.Linear(20, CLASSES)

            def forward(self, x):
                last = self.rnn(x)[1]
                return self.head((last[0] if kind == "LSTM" else last)[-1])

        return Net()

    return make, make_torch, (24, 10)


def _encoder(keras, layers):
    x = inputs = keras.Input((16, 12))
    x = layers.Dense(32)(x)
    for _ in range(2):
        y = layers.MultiHeadAttention(4, 8)(x, x)
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
        y = layers.Dense(32)(layers.ReLU()(layers.Dense(64)(x)))
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


def _encoder_torch():
    from torch import nn

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
            self.norm1, self.wide = nn.LayerNorm(32), nn.Linear(32, 64)
            self.narrow, self.norm2 = nn.Linear(64, 32), nn.LayerNorm(32)

        def forward(self, x):
            x = self.norm1(x + self.attention(x, x, x, need_weights=False)[0])
            return self.norm2(x + self.narrow(self.wide(x).relu()))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.layers = nn.Linear(12, 32), nn.Sequential(Layer(), Layer())
            self.head = nn.Linear(32, CLASSES)

        def forward(self, x):
            return self.head(self.layers(self.embed(x)).mean(1))

    return Net()


NETS = {
    "ds-cnn": (_ds_cnn, _ds_cnn_torch, (49, 10, 1)),
    "mobilenet-v2": (_mobile_net, _mobile_net_torch, (96, 96, 3)),
    "resnet-8": (_res_net, _res_net_torch, (32, 32, 3)),
    "tcn": (_tcn, _tcn_torch, (40, 12)),
    "gru": _recurrent("GRU"),
    "lstm": _recurrent("LSTM"),
    "encoder": (_encoder, _encoder_torch, (16, 12)),
}
"""Builders in Keras and PyTorch, and the shape of a sample in Keras."""
CONVOLUTIONAL = ("ds-cnn", "mobilenet-v2", "resnet-8", "tcn")
