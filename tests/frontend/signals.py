"""Recordings to try front ends on: speech-like, tones, noise, silence, clipping."""

import importlib.util
from contextlib import contextmanager

import numpy as np

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.devices.emulator import EmulatorSession
from edgeq.devices.host_c import HostSession, host_target
from edgeq.frontend.build import graph_of
from edgeq.frontend.description import read_description

RATE = 16000
CPUS = ("cortex-m4", "cortex-m0plus", "cortex-m3", "rv32imc")
CHUNKS = (1, 7, 160, 16000)


def recording(seconds=10, seed=0):
    """int16 samples: a bit of everything that a microphone gives, and what breaks one."""
    rng = np.random.default_rng(seed)
    pieces, count = [], 0
    kinds = [voice, noise, tone, silence, clipped, faint, extremes, spikes]
    while count < seconds * RATE:
        piece = kinds[len(pieces) % len(kinds)](rng, int(rng.integers(RATE // 4, RATE)))
        pieces.append(np.clip(np.rint(piece), -32768, 32767).astype(np.int16))
        count += len(piece)
    return np.concatenate(pieces)[: int(seconds * RATE)]


def voice(rng, count):
    """Harmonics of a pitch that moves, under formants that move, in syllables."""
    t = np.arange(count) / RATE
    pitch = 110 + 40 * rng.uniform() + 30 * np.sin(2 * np.pi * rng.uniform(1, 4) * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = [(f * (1 + 0.2 * np.sin(2 * np.pi * 3 * t + f)), f / 8) for f in (500, 1500, 2500)]
    total = np.zeros(count)
    for k in range(1, 40):
        gain = sum(1 / (1 + ((k * pitch - f) / w) ** 2) for f, w in formants)
        total += gain / k * np.sin(k * phase)
    return 9000 * total * np.clip(np.sin(2 * np.pi * 4 * t), 0, 1) + rng.normal(0, 20, count)


def noise(rng, count):
    return rng.normal(0, 10 ** rng.uniform(1, 4), count)


def tone(rng, count):
    t = np.arange(count) / RATE
    return rng.uniform(100, 32767) * np.sin(2 * np.pi * rng.uniform(30, 7900) * t * (1 + t / 9))


def silence(rng, count):
    return np.zeros(count)


def clipped(rng, count):
    return 3 * 32768 * np.sin(np.arange(count) * rng.uniform(0.01, 2.0)) + rng.normal(0, 999, count)


def faint(rng, count):
    return rng.integers(-2, 3, count)


def extremes(rng, count):
    return rng.choice([-32768.0, 32767.0], count)


def spikes(rng, count):
    total = rng.normal(0, 3, count)
    total[:: int(rng.integers(40, 900))] = rng.choice([-32768, 32767])
    return total


def compiled(description, precision):
    """The C of a front end for this machine."""
    graph = graph_of(read_description(description), precision)
    return generate(graph, name="model", target=host_target())


def frames_of(description, precision, samples, chunk=None):
    """What this machine's C makes of a recording, in real numbers."""
    with compiled_session(description, precision) as hear:
        return hear(samples, chunk)


@contextmanager
def compiled_session(description, precision):
    """A function that gives what this machine's C makes of recordings, in real numbers."""
    sources = compiled(description, precision)
    scale = sources.manifest["outputs"][0]["scale"]
    with HostSession("c", sources) as session:

        def hear(samples, chunk=None):
            (frames,) = session.stream(samples, chunk)
            return frames if scale is None else frames * np.float32(scale)

        yield hear


def however_cut(description, form, sound):
    """The frames of a recording, which are the same in pieces of any length."""
    with compiled_session(description, form) as hear:
        whole = hear(sound)
        for chunk in CHUNKS:
            np.testing.assert_array_equal(hear(sound, chunk), whole, err_msg=f"{form}, {chunk}")
    return whole


def emulated(description, form, sound, cpu):
    """Check that an emulated core gives what this machine's C gives."""
    target = load_target(cpu)
    graph = graph_of(read_description(description), form)
    session = EmulatorSession(f"sim:{cpu}", target, generate(graph, name="model", target=target))
    found = session.stream(sound)[0]
    scale = graph.main.tensors[graph.main.outputs[0]].scale
    real = found * np.float32(scale) if scale else found
    np.testing.assert_array_equal(real, frames_of(description, form, sound), err_msg=cpu)


def snr_db(reference, found):
    """Signal to noise of `found`, in dB."""
    wrong = np.linalg.norm(np.asarray(reference, np.float64) - found)
    return 20 * np.log10(np.linalg.norm(reference) / max(wrong, 1e-30))


def installed(name):
    return importlib.util.find_spec(name) is not None
