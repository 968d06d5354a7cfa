"""What runs on the far side of a link: sent there as one file, using only the standard library.

The package is packed into one zip file (`edgeq.devices.remote.artifacts`) and started as
`python3 edgeq-agent.pyz`. It runs on Python 3.7 and newer. `runner/` holds the same agent in C,
for devices without Python: one protocol, two speakers.

The protocol is JSON lines, one flat object each, both ways. Every command from `load` to `ops`
is answered by exactly one object that carries its `id`: the event named below, or `error`.

Host to device:
    ping        any line from the host proves that the link is alive
    watch       `sources`: files and `!commands`, one a line; every `beat` brings their text
    load        `model`, `library`, `runtime`, `threads`, `delegate`, `cpu`, `profiling`:
                a fresh process holds the model; answered by `loaded`
    run         `calls` and `data` (base64: per call, every input in order);
                answered by `outputs` with `data`, the same for outputs
    measure     `warmup` (-1: until steady), `runs` (0: by time), `seconds` (-1: by runs),
                `pace_hz`, `data`; `samples` lines, then `measured`
    ops         `runs`, `data`; answered by `profiled`: names, indices and times of the ops
    end         the agent leaves

Unasked, the device sends `hello` once, and `beat` every second: clocks and the files and
commands it was told to watch; one more with `begins` when a measurement begins. A device that
hears nothing for EDGEQ_SILENCE seconds takes the link for lost: it kills what it started, its SSH
session and itself.
"""
