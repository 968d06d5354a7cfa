"""From an integer .tflite to a folder of C: read once, the form chosen by the budgets, written."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from edgeq.analysis.budget import within_budgets
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import Sources, generate
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.firmware.golden import oracle_golden
from edgeq.model.graph import at_signature
from edgeq.model.model_file import read_graph
from edgeq.support.output import check_writable, digests, whole_directory, write_whole


def compile(  # noqa: A001  (the name of the command, as documented)
    model: str | Path,
    output: str | Path,
    *,
    name: str | None = None,
    target: Target | str = PORTABLE,
    options: CompileOptions | None = None,
    external_arena: bool = False,
    reentrant: bool = False,
    golden: bool = False,
    force: bool = False,
    signature: str | None = None,
) -> Sources:
    """Write the C program of a model into a folder; all of it or nothing.

    Args:
        model: An integer .tflite file.
        output: The folder to make.
        name: Prefix of all C symbols; from the file name if not given.
        target: A target, its name, or a CPU's name; by default C for every core.
        options: What to optimise for, and budgets.
        external_arena: Let the user's program provide the arena (`NAME_init`).
        reentrant: Let every function take a `NAME_state` that holds arena and state.
        golden: Add `NAME_selftest` with a known input and the oracle's results for it.
        force: Replace the folder if it exists.
        signature: Which signature to compile; must be given where several lead to different
            subgraphs.

    Raises:
        EdgeqError: The model cannot be read or has ops without a kernel.
        LimitError: No form of the program keeps to the budgets.
        UsageError: No such target, or a name that is no C identifier.
    """
    if external_arena and reentrant:
        raise UsageError("With --reentrant the arena is in NAME_state.", hint="leave out --arena")
    memory = Memory.EXTERNAL if external_arena else Memory.STATIC
    memory = Memory.REENTRANT if reentrant else memory
    check_writable(Path(output), force=force, folder=True, inputs=[model])
    graph = at_signature(read_graph(model), signature)
    loaded = target if isinstance(target, Target) else load_target(target)
    sources = generate(
        graph,
        name=name,
        target=loaded,
        options=within_budgets(Path(model), loaded, options or CompileOptions(), graph=graph),
        memory=memory,
        known_answers=partial(oracle_golden, model) if golden else None,
        signature=signature,
    )
    with whole_directory(Path(output), force=force) as folder:
        for file, text in sources.files.items():
            write_whole(folder / file, text)
        record = {**sources.manifest, "digests": digests(folder)}
        write_whole(folder / "manifest.json", json.dumps(record, indent=2) + "\n")
    return sources
