"""`edgeq verify-manifest`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.cli.shared.common import force_option, json_option, print_json
from edgeq.errors import UsageError
from edgeq.support.output import check_writable, write_results
from edgeq.support.terminal import say
from edgeq.workflow.manifest_check import ManifestCheck, check_manifest
from edgeq.workflow.model_card import model_card


@click.command(
    epilog="Example: edgeq verify-manifest deployed/manifest.json --key team.pub --card card.md"
)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="Public key that must have signed it.")
@click.option(
    "--source", "sources", multiple=True, type=click.Path(path_type=Path),
    help="A model or data file that must be among those it was made from.",
)  # fmt: skip
@click.option(
    "--newer-than",
    metavar="MANIFEST|DATE|N",
    help="An older manifest, a date or a sequence number that it must come after.",
)
@click.option("--card", type=click.Path(path_type=Path), help="Write a model card (Markdown) here.")
@force_option
@json_option
@click.pass_context
def verify_manifest(
    ctx: click.Context,
    /,
    manifest: Path,
    key: Path | None,
    sources: tuple[Path, ...],
    newer_than: str | None,
    card: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Check that MANIFEST still holds: signature, every file, every figure, the limits.

    Without --key, anybody may have signed it. The exit code is 3 when it holds, but says that a
    limit was missed.
    """
    if card is not None:
        _check_card(card, manifest, force=force)
    found = check_manifest(manifest, key=key, sources=sources, newer_than=newer_than)
    if card is not None:
        write_results({card: model_card(found.content)}, force=force)
    if as_json:
        print_json(
            {
                "valid": True,
                "files": found.files,
                "signed_by": found.signed_by,
                "trusted": found.trusted,
                "met": found.content["met"],
                "manifest": found.content,
            }
        )
    else:
        _show(found)
    if not found.content["met"]:
        ctx.exit(3)


def _check_card(card: Path, manifest: Path, *, force: bool) -> None:
    check_writable(card, force=force, inputs=(manifest,))
    folder = manifest if manifest.is_dir() else manifest.parent
    if card.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            "A card among the deployment's files would be one that the manifest does not know.",
            str(card),
            "write it elsewhere",
        )


def _show(found: ManifestCheck) -> None:
    say(f"{found.files} files and all figures are as the manifest says.")
    if found.signed_by is None:
        say("Nobody has signed it: this shows damage, but not that somebody changed it.")
    elif found.trusted:
        say(f"Signed by {found.signed_by}, the key that was asked for.")
    else:
        say(f"Signed by {found.signed_by}; whose key that is, only --key tells.")
    missed = [limit["name"] for limit in found.content["limits"] if not limit.get("met")]
    if not found.content["met"]:
        say(f"The model was NOT accepted; missed: {', '.join(missed)}.")
