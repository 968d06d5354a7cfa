"""`edgeq compile`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target_schema import TEMPLATES
from edgeq.cli.shared.common import (
    Whole,
    compile_options,
    force_option,
    frontend_options,
    json_option,
    print_json,
    takes_only,
    tflm_kernels_option,
    was_given,
)
from edgeq.compiler.options import MOST_THREADS, CompileOptions
from edgeq.errors import UsageError
from edgeq.model.decision import Rules
from edgeq.report.units import in_bytes, in_cycles, in_macs
from edgeq.support.terminal import say

if TYPE_CHECKING:
    from edgeq.compiler.compilation import Sources
    from edgeq.firmware.create import Project


@click.command(
    name="compile",
    epilog="Example: edgeq compile kws_int8.tflite -o kws/ --target nucleo-f446re --golden",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(), metavar="MODEL...")
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder to write.")
@click.option(
    "-t", "--target", default=PORTABLE, help="Board or CPU; without it, C for every core."
)
@click.option(
    "-n",
    "--name",
    "names",
    multiple=True,
    metavar="NAME|NAME=MODEL",
    help="Prefix of all C symbols, or of one model's among several; from the file name by default.",
)
@click.option(
    "--arena",
    type=click.Choice(["static", "external"]),
    default="static",
    show_default=True,
    help="external: NAME_init() takes the memory, so that several models can share it.",
)
@click.option(
    "--reentrant",
    is_flag=True,
    help="Each function takes a NAME_state that holds arena and state; nothing is static.",
)
@click.option(
    "--golden/--no-golden",
    default=None,
    help="Add NAME_selftest() with a known input; projects have it by default.",
)
@click.option("--signature", help="Which signature, if the model has several.")
@click.option(
    "--project",
    type=click.Choice(TEMPLATES),
    help="Make a whole firmware project, self-test included; takes several models.",
)
@click.option(
    "--runtime",
    type=click.Choice(["c", "tflm"]),
    default="c",
    show_default=True,
    help="tflm: array, resolver and arena for TensorFlow Lite Micro.",
)
@click.option(
    "--threads",
    type=Whole(1, most=MOST_THREADS),
    default=1,
    show_default=True,
    help="For hosts: how many threads share the work of large layers, by pthread.",
)
@tflm_kernels_option
@click.option(
    "--npu", metavar="NAME", help="The .tflite for an Ethos-U, by Arm's Vela: ethos-u55-128, ..."
)
@compile_options
@frontend_options
@force_option
@json_option
def compile_(
    models: tuple[str, ...],
    output: str,
    target: str,
    names: tuple[str, ...],
    arena: str,
    reentrant: bool,
    golden: bool | None,
    signature: str | None,
    project: str | None,
    runtime: str,
    threads: int,
    tflm_kernels: str,
    npu: str | None,
    options: CompileOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Turn an integer .tflite into C sources, or a firmware project, for a microcontroller."""
    if npu is not None:
        if len(models) > 1:
            raise UsageError("--npu makes one .tflite.", hint="a command for each model")
        _check_judged(models[0], npu, options)
        takes_only("--npu", "models", "output", "npu", "force", "as_json")
        _compile_for_npu(models[0], output, npu, force=force, as_json=as_json)
        return
    if runtime != "tflm" and was_given("tflm_kernels"):
        raise UsageError("--tflm-kernels is for --runtime tflm.", hint="leave it out")
    of_c = [name for name in ("optimize", "isa", "dispatch", "threads") if was_given(name)]
    if runtime == "tflm" and of_c:
        raise UsageError(f"--{of_c[0]} is for generated C.", hint="--runtime c")
    options = replace(options, threads=threads)
    name, by_model = _names(names, models)
    _say_of_front_ends(models, options)
    if project is not None or runtime == "tflm":
        if signature is not None or reentrant or arena != "static":
            option = "--signature" if signature is not None else "--reentrant"
            option = "--arena" if arena != "static" else option
            raise UsageError(f"{option} is for plain sources.", hint="leave out --project")
        from edgeq.workflow.projects import create_project

        made = create_project(
            models,
            output,
            target=target,
            template=project or "sources",
            name=name,
            names=by_model,
            options=options,
            runtime=runtime,
            tflm_kernels=tflm_kernels,
            golden=golden is not False,
            force=force,
        )
        _show_project(made, output, models, tflm_kernels, as_json=as_json)
        _say_of_clamps(models)
        return
    if len(models) > 1:
        raise UsageError("Several models go into one firmware only.", hint="--project TEMPLATE")
    from edgeq.workflow.compile import compile as compile_model

    sources = compile_model(
        models[0],
        output,
        name=by_model.get(models[0], name),
        target=target,
        options=options,
        reentrant=reentrant,
        external_arena=arena == "external",
        golden=bool(golden),
        force=force,
        signature=signature,
    )
    _show_sources(sources, output, as_json=as_json)
    _say_of_clamps(models)


def _check_judged(model: str, npu: str, options: CompileOptions) -> None:
    """Refuse budgets, which nobody can judge of an NPU's program."""
    if options.budgets:
        from edgeq.analysis.budget import chosen_for

        chosen_for(Path(model), f"vela:{npu}", replace(options, isa="", dispatch=False))


def _compile_for_npu(model: str, output: str, npu: str, *, force: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from edgeq.workflow.npu import compile_for_npu

    made = compile_for_npu(model, output, npu, force=force)
    if as_json:
        print_json({**asdict(made), "file": str(made.file), "output": output})
        return
    parts = "one part" if made.parts == 1 else f"{made.parts} parts"
    left = f"; left to the CPU: {', '.join(made.left)}" if made.left else ""
    say(f"{made.file}: {parts} on {npu}{left}")
    say(
        f"estimated by Vela {made.version} ({made.system}, {made.memory_mode}): "
        f"{in_cycles(made.cycles)}, SRAM {in_bytes(made.sram_bytes)}, "
        f"flash {in_bytes(made.flash_bytes)}"
    )


def _show_project(
    made: Project, output: str, models: tuple[str, ...], kernels: str, *, as_json: bool
) -> None:
    from edgeq.analysis.tflm_account import tflm_account
    from edgeq.report.account import image_lines, part_lines

    tflm = made.runtime == "tflm"
    programs = [tflm_account(model, made.target, kernels=kernels) for model in models if tflm]
    if as_json:
        account = made.account and made.account.to_json()
        found = {"account": account, "programs": [program.to_json() for program in programs]}
        print_json({**made.record, "output": output, **found})
        return
    article = "an" if made.template[0] in "ae" else "a"
    say(f"{output}: {article} {made.template} project for {made.target.title}")
    for line in (*made.notes, *(image_lines(made.account) if made.account else ())):
        say(line)
    for program in programs:
        for line in part_lines(program):
            say(line)


def _show_sources(sources: Sources, output: str, *, as_json: bool) -> None:
    manifest = sources.manifest
    packed = sum(op["packed"] for op in manifest["ops"])
    if as_json:
        print_json({**manifest, "output": output, "files": sorted(sources.files)})
        return
    say(f"{output}: {len(sources.files)} files for {manifest['target']}")
    say(
        f"arena {in_bytes(manifest['arena_bytes'])} "
        f"(lower bound {manifest['arena_bound_bytes']:,}), "
        f"state {in_bytes(manifest['state_bytes'])}, "
        f"constants {in_bytes(manifest['constant_bytes'])}, "
        f"{in_macs(manifest['macs'], manifest.get('unknown_loops', 0))}"
    )
    rules = sources.stream.decision if sources.stream else None
    if isinstance(rules, Rules) and rules.settling:
        say(f"decisions leave out the first {rules.settling:,} answers: no whole window before")
    if packed:
        say(f"weights of {packed} layers packed: two to a byte")
    blocks = [op["weight_blocks"] for op in manifest["ops"] if "weight_blocks" in op]
    if blocks:
        stored, every = (sum(entry[key] for entry in blocks) for key in ("stored", "all"))
        layers = "1 layer" if len(blocks) == 1 else f"{len(blocks)} layers"
        say(f"{stored:,} of {every:,} blocks of weights stored in {layers}, the others zero")


def _say_of_front_ends(models: tuple[str, ...], options: CompileOptions) -> None:
    from edgeq.frontend.silent import silent_bands_of

    if not was_given("frontend"):
        _say_what_lies_beside(models)
    for warning in silent_bands_of(options):
        say(f"Warning: {warning}", err=True)


def _say_of_clamps(models: tuple[str, ...]) -> None:
    """Tell where the C, as TensorFlow Lite Micro, computes otherwise than the model means."""
    from edgeq.boards.runtimes.faults import misclamps
    from edgeq.model.model_file import read_graph

    for model in models:
        for warning in misclamps(read_graph(model)):
            say(f"Warning: {warning}", err=True)


def _say_what_lies_beside(models: tuple[str, ...]) -> None:
    """Name the front ends that `convert` wrote: other commands take them by themselves."""
    for model in models:
        if Path(model).suffix != ".tflite":
            continue
        file = Path(model).with_suffix(".frontend.toml")
        if file.is_file():
            say(
                f"{file} is not taken: the C takes features (--frontend {file}: samples; "
                "--frontend none: no word of it).",
                err=True,
            )


def _names(given: tuple[str, ...], models: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """The one name that is for no model in particular, and names by model."""
    plain = [text for text in given if "=" not in text]
    if len(plain) > 1:
        raise UsageError(
            "--name was given twice.", hint="one for the project, --name NAME=MODEL for each model"
        )
    pairs = [text.partition("=") for text in given if "=" in text]
    by_model = {model: name for name, _, model in pairs}
    if len(by_model) < len(pairs):
        raise UsageError("--name was given twice for a model.", hint="a name for each model")
    if unknown := sorted(set(by_model) - set(models)):
        raise UsageError(
            f"There is no model '{unknown[0]}' to be named.", hint=f"models: {', '.join(models)}"
        )
    return (plain[0] if plain else None), by_model
