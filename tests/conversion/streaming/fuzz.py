"""Random nets over time: `python -m tests.conversion.streaming.fuzz -n 500`.

The float model of steps must answer as the model of windows does, for steps of one and of several
frames. Nets that pad over time are compared where the padding has no part. A net is made again
from its number: `--only 17`.
"""

import argparse
import sys
import traceback

import numpy as np

from edgeq.errors import EdgeqError
from tests.conversion.streaming.streams import beside_windows

_REFUSED = "a multiple of it"  # of the step, which strides before some layers ask for
_CLOSE = 2e-5


class Random:
    """Draws the parts of one net."""

    def __init__(self, number):
        import keras

        keras.utils.set_random_seed(number)
        self.keras, self.layers = keras, keras.layers
        self.random = np.random.default_rng(number)

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def net(self):
        """A model of windows."""
        frames, features = int(self.random.integers(16, 40)), int(self.random.integers(2, 7))
        x = self.keras.Input((frames, features), name="frames")
        y, image = x, self.pick(False, False, True)
        if image:
            y = self.pick(self.layers.Reshape((frames, features, 1)),
                          self.layers.Reshape((frames, 1, features)))(y)  # fmt: skip
        for _ in range(self.random.integers(1, 5)):
            y = self._block(y, image)
        return self.keras.Model(x, self._head(y, image))

    def _block(self, y, image):
        kind = self.pick("conv", "conv", "depthwise", "separable", "pool", "each", "residual",
                         "parts", "crop", "slice", "causal")  # fmt: skip
        try:
            made = getattr(self, f"_{kind}")(y, image)
        except ValueError:
            return y  # it does not fit any more
        return made if made.shape[1] and made.shape[1] > 1 else y

    def _conv(self, y, image):
        taps, rate, stride = self.pick(1, 2, 3, 5), self.pick(1, 1, 2, 3), self.pick(1, 1, 1, 2, 3)
        rate = 1 if stride > 1 else rate
        if not image:
            return self.layers.Conv1D(4, taps, strides=stride, dilation_rate=rate)(y)
        beside = min(self.pick(1, 2, 3), y.shape[2])
        padding = self.pick("valid", "same") if taps == 1 and stride == 1 else "valid"
        return self.layers.Conv2D(
            4, (taps, beside), strides=(stride, 1), dilation_rate=(rate, 1), padding=padding
        )(y)

    def _causal(self, y, image):
        if image:
            return self._depthwise(y, image)
        rate = self.pick(1, 2, 4)
        return self.layers.Conv1D(4, self.pick(2, 3), padding="causal", dilation_rate=rate)(y)

    def _depthwise(self, y, image):
        taps = self.pick(2, 3, 4)
        if not image:
            return self.layers.DepthwiseConv1D(taps, strides=self.pick(1, 1, 2))(y)
        return self.layers.DepthwiseConv2D((taps, 1), dilation_rate=(self.pick(1, 2), 1))(y)

    def _separable(self, y, image):
        if image:
            return self.layers.SeparableConv2D(4, (self.pick(2, 3), 1))(y)
        return self.layers.SeparableConv1D(4, self.pick(2, 3), dilation_rate=self.pick(1, 2))(y)

    def _pool(self, y, image):
        size, stride = self.pick(2, 3), self.pick(1, 2, 3)
        kind = self.pick("Max", "Average")
        if image:
            return getattr(self.layers, f"{kind}Pooling2D")((size, 1), strides=(stride, 1))(y)
        return getattr(self.layers, f"{kind}Pooling1D")(size, strides=stride)(y)

    def _each(self, y, image):
        layers = self.layers
        return self.pick(
            layers.ReLU(), layers.Activation("swish"), layers.Dense(4), layers.LayerNormalization(),
            layers.BatchNormalization(), layers.Dropout(0.3), layers.Rescaling(0.5, 0.1),
            layers.LeakyReLU(),
        )(y)  # fmt: skip

    def _residual(self, y, image):
        if image:
            return self._each(y, image)
        before, after = self.pick((1, 1), (2, 0), (0, 2))
        z = self.layers.Conv1D(y.shape[-1], 3)(y)
        return self.pick(self.layers.Add(), self.layers.Maximum(), self.layers.Multiply())(
            [z, self.layers.Cropping1D((before, after))(y)]
        )

    def _parts(self, y, image):
        if image:
            return self._each(y, image)
        a, b = self.layers.Conv1D(3, 4)(y), self.layers.Conv1D(2, 2)(y)
        return self.layers.Concatenate()([a, b[:, 2:], y[:, 1:-2]])

    def _crop(self, y, image):
        ends = (self.pick(0, 1, 2), self.pick(0, 1))
        if image:
            return self.layers.Cropping2D((ends, (0, 0)))(y)
        return self.layers.Cropping1D(ends)(y)

    def _slice(self, y, image):
        return self.pick(y[:, 1:], y[:, ::2], y[:, :-1], y[:, 1::3])

    def _head(self, y, image):
        layers = self.layers
        if image:
            return self.pick(
                lambda y: layers.Dense(3)(layers.GlobalAveragePooling2D()(y)),
                lambda y: layers.Dense(3)(layers.Flatten()(y)),
                lambda y: y[:, -1],
            )(y)
        return self.pick(
            lambda y: layers.Dense(3)(layers.GlobalAveragePooling1D()(y)),
            lambda y: layers.GlobalMaxPooling1D()(y),
            lambda y: layers.Dense(3, activation="softmax")(layers.Flatten()(y)),
            lambda y: layers.Dense(2)(y[:, -1]),
            lambda y: layers.Dense(2)(y),
        )(y)


def wrong(number):
    """What is wrong with a net, in a sentence; empty for nothing, None where it was refused."""
    drawn = Random(number)
    model = drawn.net()
    step = drawn.pick(1, 1, 2, 3, 4)
    try:
        got, wanted, form = beside_windows(model, step, more=12)
    except EdgeqError as error:
        return None if _REFUSED in str(error) else f"step {step}: {error}"
    except Exception as error:  # noqa: BLE001  (all others are findings)
        return f"step {step}: {type(error).__name__}: {error}\n{traceback.format_exc()}"
    if form.padded:
        got, wanted = got[:1], wanted[:1]  # before the stream there is nothing, as in a window
    apart = float(np.abs(got - wanted).max())
    close = _CLOSE * max(1.0, float(np.abs(wanted).max()))
    # Before the first frame a layer behind others has made something of nothing.
    if form.padded and apart > close:
        return None
    return "" if apart <= close else f"step {step}: answers differ by {apart:.3g} ({form})"


def main():
    """Run the nets that are asked for; 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    numbers = range(options.n) if options.only is None else [options.only]
    bad = skipped = 0
    for number in numbers:
        found = wrong(number)
        skipped += found is None
        bad += bool(found)
        if found:
            print(f"net {number}: {found}", flush=True)
    print(f"{len(numbers)} nets, {skipped} without a comparison, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
