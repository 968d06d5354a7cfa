"""The streaming shapes that are published, small: nets of windows, and what one calls them."""

import numpy as np


def _layers():
    import keras

    keras.utils.set_random_seed(5)
    return keras, keras.layers


def trained_like(model):
    """The model with weights, and with statistics of BatchNormalization that are not 0 and 1."""
    random = np.random.default_rng(2)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    random.uniform(0.7, 1.3, gamma.shape),
                    random.normal(0, 0.2, beta.shape),
                    random.normal(0, 0.2, mean.shape),
                    random.uniform(0.5, 1.5, variance.shape),
                ]
            )
    return model


def tcn(frames=49, features=20):
    """A temporal convolutional net whose last frame is the answer: causal, dilated, residual."""
    keras, layers = _layers()
    x = keras.Input((frames, features), name="frames")
    y = layers.Conv1D(24, 3, padding="causal", activation="relu")(x)
    for dilation in (1, 2, 4, 8):
        z = layers.Conv1D(24, 3, padding="causal", dilation_rate=dilation)(y)
        z = layers.ReLU()(layers.BatchNormalization()(z))
        y = layers.Add()([y, layers.Dropout(0.1)(z)])
    return trained_like(keras.Model(x, layers.Dense(5, activation="softmax")(y[:, -1])))


def mixed_net(frames=60, features=40):
    """microWakeWord's MixedNet: a stride, depthwise kernels of several lengths, a whole window."""
    keras, layers = _layers()
    x = keras.Input((frames, features), name="frames")
    y = layers.Reshape((frames, 1, features))(x)
    y = layers.Conv2D(16, (5, 1), strides=(3, 1), use_bias=False, activation="relu")(y)
    for kernels, filters, residual in (((5,), 24, False), ((3, 7), 24, True)):
        before = y
        parts = []
        width = y.shape[-1] // len(kernels)
        for number, kernel in enumerate(kernels):
            part = y[:, :, :, number * width : (number + 1) * width]
            part = layers.DepthwiseConv2D((kernel, 1), use_bias=False)(part)
            parts.append(layers.Cropping2D(((max(kernels) - kernel, 0), (0, 0)))(part))
        y = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
        y = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(y))
        if residual:
            y = layers.Add()([y, layers.Cropping2D(((max(kernels) - 1, 0), (0, 0)))(before)])
        y = layers.ReLU()(y)
    y = layers.Dense(1, activation="sigmoid")(layers.Flatten()(y))
    return trained_like(keras.Model(x, y))


def bc_resnet(frames=40, features=16):
    """BC-ResNet: 2D over frequency, then 1D over time, broadcast back over frequency."""
    keras, layers = _layers()
    x = keras.Input((frames, features, 1), name="frames")
    y = layers.Conv2D(8, (5, 5), strides=(1, 2), padding="same")(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    for dilation in (1, 2):
        z = layers.DepthwiseConv2D((1, 3), padding="same", use_bias=False)(y)
        two = layers.BatchNormalization()(z)
        one = keras.ops.mean(two, axis=2, keepdims=True)
        one = layers.DepthwiseConv2D((3, 1), padding="same", dilation_rate=(dilation, 1))(one)
        one = layers.Activation("swish")(layers.BatchNormalization()(one))
        one = layers.SpatialDropout2D(0.1)(layers.Conv2D(8, 1)(one))
        y = layers.ReLU()(layers.Add()([y, two, one]))
    y = layers.DepthwiseConv2D((5, 5), padding="same")(y)
    y = layers.Conv2D(12, 1)(keras.ops.mean(y, axis=2, keepdims=True))
    y = layers.Dense(4)(layers.GlobalAveragePooling2D()(y))
    return trained_like(keras.Model(x, y))


def crnn(frames=50, features=20):
    """A convolution with strides, recurrent layers behind it."""
    keras, layers = _layers()
    x = keras.Input((frames, features), name="frames")
    y = layers.Reshape((frames, features, 1))(x)
    y = layers.Conv2D(8, (8, 5), strides=(2, 2), activation="relu")(y)
    y = layers.Reshape((y.shape[1], y.shape[2] * y.shape[3]))(y)
    y = layers.GRU(16, return_sequences=True)(y)
    y = layers.GRU(12)(y)
    y = layers.Dense(10, activation="relu")(y)
    return keras.Model(x, layers.Dense(4, activation="softmax")(y))


def tc_resnet(frames=49, features=20):
    """TC-ResNet: features are channels, strides over time, padding at both ends."""
    keras, layers = _layers()
    x = keras.Input((frames, features), name="frames")
    y = layers.Conv1D(12, 3, padding="same", use_bias=False)(x)
    for filters in (16, 20):
        short = layers.Conv1D(filters, 1, strides=2, padding="same", use_bias=False)(y)
        short = layers.ReLU()(layers.BatchNormalization()(short))
        z = layers.Conv1D(filters, 9, strides=2, padding="same", use_bias=False)(y)
        z = layers.ReLU()(layers.BatchNormalization()(z))
        z = layers.Conv1D(filters, 9, padding="same", use_bias=False)(z)
        z = layers.BatchNormalization()(z)
        y = layers.ReLU()(layers.Add()([z, short]))
    y = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(y))
    return trained_like(keras.Model(x, y))


SHAPES = {net.__name__: net for net in (tcn, mixed_net, bc_resnet, crnn, tc_resnet)}
