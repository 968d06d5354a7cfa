"""Digits in front of a camera: RGB565 frames to a class on an emulated Cortex-M4, and their places.

scikit-learn's scanned digits, enlarged and somewhere in frames of 64 x 48 pixels. One TOML file
describes what lies between the camera's bytes and the network: the part of the frame, size, gray.
The network is trained on pixels that the device's own C makes. A second network, of cells, finds
where digits are: its boxes are events of the same C.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgeq
from edgeq.conversion.tensorflow import import_tensorflow

WIDTH, HEIGHT, SIZE = 64, 48, 16  # of a frame, and of the network's picture
FRONT_END = f"""
kind = "image"
format = "rgb565"
width = {WIDTH}
height = {HEIGHT}
crop = [8, 0, 48, 48]
out_width = {SIZE}
out_height = {SIZE}
out_channels = 1
resize = "area"
std = 255.0
"""
DETECTOR = f"""
kind = "image"
format = "rgb565"
width = {WIDTH}
height = {HEIGHT}
out_width = 32
out_height = 24
out_channels = 1
resize = "area"
std = 255.0

[decision]
labels = ["digit"]

[decision.anchors]
kind = "cells"
sizes = [[0.375, 0.5]]     # of a digit: 24 x 24 pixels

[decision.nms]
score_threshold = 0.5
iou_threshold = 0.3
max_detections = 4
"""
Frames = NDArray[np.uint8]


def main(folder: Path, *, epochs: int = 20) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "camera.toml").write_text(FRONT_END)
    (folder / "finder.toml").write_text(DETECTOR)
    rng = np.random.default_rng(0)
    classifier, finder = classify(folder, rng, epochs), find(folder, rng, epochs)
    on_device = {"on": "sim:cortex-m4", "also_on": "c", "limit": 10}
    found = edgeq.evaluate(
        classifier, data=str(folder / "test.npz"), on="c", options=options(folder, "camera")
    )
    print(f"accuracy on {found.n} frames: {found.score.value:.4f}")
    cut = edgeq.evaluate(
        classifier, data=str(folder / "test.npz"), options=options(folder, "camera"), **on_device
    )
    boxes = edgeq.evaluate(
        finder, data=str(folder / "boxes.npz"), on="c", options=options(folder, "finder")
    )
    at_half, over_all = boxes.score.value, boxes.score.details["map_50_95"]
    print(f"mAP on {boxes.n} frames: {at_half:.4f} at 0.5, {over_all:.4f} from 0.5 to 0.95")
    places = edgeq.evaluate(
        finder, data=str(folder / "boxes.npz"), options=options(folder, "finder"), **on_device
    )
    assert cut.also_on is not None
    assert places.also_on is not None
    same = cut.also_on.equal == cut.n and places.also_on.equal == places.n
    print(f"{cut.n} frames on an emulated Cortex-M4: bytes {'equal' if same else 'DIFFER'}")
    for name, model in (("camera", classifier), ("finder", finder)):
        edgeq.compile(
            model, folder / f"{name}_c", options=options(folder, name), target="cortex-m4",
            force=True,
        )  # fmt: skip
    return 0 if same else 3


def options(folder: Path, name: str) -> edgeq.CompileOptions:
    """The front end of the file, and its decision."""
    return edgeq.CompileOptions(frontend=edgeq.front_end(folder / f"{name}.toml"))


def as_rgb565(frames: NDArray[np.float64]) -> Frames:
    """Gray frames from 0 to 1, shape (N, height, width), as a camera's bytes, low byte first."""
    red, green = np.rint(frames * 31).astype("<u2"), np.rint(frames * 63).astype("<u2")
    return (red << 11 | green << 5 | red).view(np.uint8).reshape(len(frames), -1)


def scene(digits: list[NDArray[np.float64]], rng: np.random.Generator, *, centred: bool) -> tuple:
    """A frame with enlarged digits, 24 x 24 pixels each, and their boxes in parts of the frame."""
    frame = rng.uniform(0.05, 0.25) + rng.normal(0, 0.03, (HEIGHT, WIDTH))
    boxes: list[list[int]] = []
    for digit in digits:
        large = np.kron(digit / 16, np.ones((3, 3)))
        for _ in range(50):
            left, top = (int(rng.integers(0, room + 1)) for room in (WIDTH - 24, HEIGHT - 24))
            if centred:
                left, top = 20 + int(rng.integers(-6, 7)), 12 + int(rng.integers(-6, 7))
            if all(abs(left - x) >= 24 or abs(top - y) >= 24 for x, y, *_ in boxes):
                boxes.append([left, top, left + 24, top + 24])
                frame[top : top + 24, left : left + 24] += large * rng.uniform(0.5, 0.75)
                break
    places = np.asarray(boxes, np.float64).reshape(-1, 4) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    return np.clip(frame, 0, 1), places


def classify(folder: Path, rng: np.random.Generator, epochs: int) -> Path:
    """The network of classes, trained on the device's own pixels; test.npz has frames."""
    from sklearn.datasets import load_digits

    _, keras = import_tensorflow()
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    order = rng.permutation(len(images))
    frames = as_rgb565(np.stack([scene([images[k]], rng, centred=True)[0] for k in order]))
    y = labels[order]
    x, cut = pixels(folder / "camera.toml", frames, SIZE, SIZE), 1400
    np.savez(folder / "test.npz", x=frames[cut:], y=y[cut:])
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    print(f"Training on {cut} frames ...", flush=True)
    return converted(folder / "camera.keras", model, x[:cut], y[:cut], epochs)


def find(folder: Path, rng: np.random.Generator, epochs: int) -> Path:
    """The network of cells, 8 by 6 of 8 pixels: is a digit's middle here? boxes.npz has frames."""
    from sklearn.datasets import load_digits

    _, keras = import_tensorflow()
    images = load_digits(return_X_y=True)[0].reshape(-1, 8, 8)
    scenes = [
        scene([images[k] for k in rng.integers(0, len(images), n % 3)], rng, centred=False)
        for n in range(1200)
    ]
    frames = as_rgb565(np.stack([frame for frame, _ in scenes]))
    cells = np.zeros((len(scenes), 6, 8, 1), np.float32)
    boxes, labels = np.zeros((len(scenes), 2, 4)), np.full((len(scenes), 2), -1)
    for number, (_, found) in enumerate(scenes):
        for k, box in enumerate(found):
            boxes[number, k], labels[number, k] = box, 0
            cells[number, int((box[1] + box[3]) / 2 * 6), int((box[0] + box[2]) / 2 * 8)] = 1
    x, cut = pixels(folder / "finder.toml", frames, 24, 32), 1000
    np.savez(folder / "boxes.npz", x=frames[cut:], boxes=boxes[cut:], labels=labels[cut:])
    layers = keras.layers
    model = keras.Sequential([keras.Input((24, 32, 1))])
    for filters in (12, 24):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Conv2D(32, 3, padding="same", activation="relu"))
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    print(f"Training on {cut} frames ...", flush=True)
    return converted(folder / "finder.keras", model, x[:cut], cells[:cut], 2 * epochs)


def pixels(front: Path, frames: Frames, height: int, width: int) -> NDArray[np.float32]:
    """What the network sees of frames, by the device's own C."""
    with edgeq.Extractor(front) as extract:
        return np.stack([extract(frame).reshape(height, width, 1) for frame in frames])


def converted(path: Path, model: object, x: NDArray, y: NDArray, epochs: int) -> Path:
    """The trained model as an integer .tflite."""
    _, keras = import_tensorflow()
    loss = "binary_crossentropy" if y.ndim > 1 else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(3e-3), loss=loss)
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    model.save(path)
    np.savez(path.with_suffix(".npz"), x=x[::5])
    integer = path.with_suffix(".tflite")
    edgeq.convert(path, data=str(path.with_suffix(".npz")), output=integer, force=True)
    return integer


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/camera")))
