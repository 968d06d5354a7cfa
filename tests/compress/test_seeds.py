"""The same command with the same seed gives the same file."""

import numpy as np
import pytest

METHODS = {
    "qat int8": ("qat",),
    "qat int4": ("qat", "--scheme", "int4"),
    "prune": ("prune",),
    "prune 2:4": ("prune", "--two-of-four"),
    "prune blocks": ("prune", "--block"),
    "prune channels": ("prune", "--structured", "--macs", "0.7"),
    "cluster": ("cluster", "--clusters", "4"),
    "factorize": ("factorize", "--rank", "2"),
    "distill": ("distill",),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small trained file with random numbers of its own (Dropout), and data."""
    pytest.importorskip("tensorflow")
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 160)
    x = (generator.normal(0, 0.4, (160, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Dropout(0.2),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=12, verbose=0)
    folder = tmp_path_factory.mktemp("seeds")
    model.save(folder / "m.keras")
    np.savez(folder / "d.npz", x=x, y=y)
    return folder / "m.keras", folder / "d.npz"


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_file(net, cli, tmp_path, name):
    model, data = net
    method, *rest = METHODS[name]
    if method == "distill":
        rest += ["--teacher", model]

    def made(seed, number):
        output = tmp_path / f"{number}.keras"
        found = cli(
            "compress", method, model, "-o", output, "--data", data, "--epochs", "1",
            "--seed", seed, *rest,
        )  # fmt: skip
        assert output.exists(), found.err
        return output.read_bytes()

    first = made(7, 1)
    assert made(7, 2) == first
    assert made(8, 3) != first


def test_equalization_gives_the_same_file(net, cli, tmp_path):
    model, _ = net
    for number in (1, 2):
        found = cli("compress", "equalize", model, "-o", tmp_path / f"{number}.keras")
        assert found.code == 0, found.err
    assert (tmp_path / "1.keras").read_bytes() == (tmp_path / "2.keras").read_bytes()
