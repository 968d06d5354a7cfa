"""`edgeq doctor`: what is installed, what is missing, the command to install it."""

from __future__ import annotations

import sys

import click

from edgeq.analysis import doctor as checks
from edgeq.cli.shared.common import json_option, print_json
from edgeq.errors import EdgeqError
from edgeq.support.terminal import console, say


@click.command(epilog="Example: edgeq doctor --json")
@json_option
def doctor(as_json: bool) -> None:
    """Check what edgeq can use on this machine; what is missing comes with its install command.

    Exits with 1 only if something is missing without which nothing works.
    """
    findings = checks.check_installation()
    ports = checks.serial_ports()
    if as_json:
        print_json({"environment": checks.environment(), "tools": findings, "serial_ports": ports})
    else:
        _print(findings, ports)
    missing = [finding.name for finding in findings if finding.core and not finding.found]
    if missing:
        raise EdgeqError(
            f"edgeq cannot work without {', '.join(missing)}.", hint="pip install edgeq"
        )


def _print(findings: list[checks.Finding], ports: list[dict[str, object]]) -> None:
    for key, value in checks.environment().items():
        say(f"{key:<11}{value}")
    say()
    width = max(len(finding.name) for finding in findings)
    table = console()
    for finding in findings:
        mark, color = ("ok", "green") if finding.found else ("--", "yellow")
        state = finding.version or ("found" if finding.found else f"missing: {finding.install}")
        table.print(mark, style=color, end="")
        say(f"  {finding.name:<{width}}  {state}")
        if not finding.found:
            say(f"    {'':<{width}}  needed for {finding.needed_for}")
    for port in ports:
        access = "" if port["accessible"] else "  no permission: join the group that owns it"
        say(f"port {port['port']}  {port['description']}{access}")
    if sys.stdout.isatty() and all(finding.found for finding in findings):
        say("Everything is there.")
