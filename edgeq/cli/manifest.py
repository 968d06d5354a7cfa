"""`edgeq verify-manifest`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.cli.common import force_option, json_option, print_json
from edgeq.manifest import check_manifest, model_card
from edgeq.output import check_writable, write_whole


@click.command(
    epilog="Example: edgeq verify-manifest deployed/manifest.json --key team.pub --card card.md"
)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="Public key that must have signed it.")
@click.option(
    "--source", "sources", multiple=True, type=click.Path(path_type=Path),
    help="A model or data file that must be among those it was made from.",
)  # fmt: skip
@click.option("--card", type=click.Path(path_type=Path), help="Write a model card (Markdown) here.")
@force_option
@json_option
def verify_manifest(
    manifest: Path,
    key: Path | None,
    sources: tuple[Path, ...],
    card: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Check that MANIFEST still holds: signature, every file, every figure, the limits."""
    if card is not None:
        check_writable(card, force=force)
    found = check_manifest(manifest, key=key, sources=sources)
    if card is not None:
        write_whole(card, model_card(found.content))
    if as_json:
        print_json({"valid": True, "files": found.files, "signed_by": found.signed_by})
        return
    click.echo(f"{found.files} files and all figures are as they were at deployment.")
    click.echo(f"Signed by {found.signed_by}." if found.signed_by else "Nobody has signed it.")
