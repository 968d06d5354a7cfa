"""`edgeq devices`: the inventory, host keys, and what a device is."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from edgeq.cli.shared.common import json_option, print_json
from edgeq.cli.shared.tables import result_console, show_columns
from edgeq.devices import inventory
from edgeq.devices.address import Address, parse_address
from edgeq.errors import UsageError
from edgeq.support.terminal import say


@click.group(epilog="Example: edgeq devices add pi4 ssh://pi@raspberrypi.local")
def devices() -> None:
    """The devices you measure on: names, groups, host keys, probes."""


@devices.command(epilog="Example: edgeq devices add phone adb:R58M123ABC")
@click.argument("name")
@click.argument("address")
@click.option("--group", "groups", multiple=True, help="Also put it into this group.")
@json_option
def add(name: str, address: str, groups: tuple[str, ...], as_json: bool) -> None:
    """Give the device at ADDRESS a NAME, to be used wherever --on is."""
    inventory.add(name, address, groups)
    say(f"{name} is {address}", err=True)
    if as_json:
        print_json({"name": name, "address": address, "groups": list(groups)})


@devices.command("list", epilog="Example: edgeq devices list --json")
@json_option
def list_(as_json: bool) -> None:
    """Every device of the inventory, with its groups."""
    known = inventory.read_inventory()
    rows = [
        {
            "name": name,
            "address": address,
            "groups": sorted(group for group, names in known.groups.items() if name in names),
        }
        for name, address in sorted(known.devices.items())
    ]
    if as_json:
        print_json({"devices": rows})
        return
    table = Table("name", "address", "groups", box=None)
    for row in rows:
        table.add_row(str(row["name"]), str(row["address"]), ", ".join(row["groups"]))
    result_console().print(table)


@devices.command(epilog="Example: edgeq devices remove pi4")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Forget a device; nothing is changed on it."""
    inventory.remove(name)
    say(f"{name} is forgotten", err=True)
    if as_json:
        print_json({"name": name, "removed": True})


@devices.command(epilog="Example: edgeq devices groups lab pi4 pi5 phone")
@click.argument("group", required=False)
@click.argument("names", nargs=-1)
@click.option("--remove", "removes", is_flag=True, help="Forget the group, not its devices.")
@json_option
def groups(group: str | None, names: tuple[str, ...], removes: bool, as_json: bool) -> None:
    """Show the groups, or make GROUP out of devices (by name or address)."""
    if group and (names or removes):
        if names and removes:
            raise UsageError("--remove takes the group's name only.")
        inventory.set_group(group, names)
        say(f"{group}: {', '.join(names) or 'forgotten'}", err=True)
        if as_json:
            print_json({"groups": {group: list(names)}})
        return
    known = inventory.read_inventory().groups
    if group:
        known = {group: tuple(name for name, _ in inventory.members(group))}
    if as_json:
        print_json({"groups": {name: list(members) for name, members in known.items()}})
        return
    for name, members in sorted(known.items()):
        say(f"{name}: {', '.join(members)}")


@devices.command(epilog="Example: edgeq devices trust ssh://pi@raspberrypi.local")
@click.argument("address")
@click.option("--fingerprint", help="Trust the key if it has this SHA256:... fingerprint.")
@json_option
def trust(address: str, fingerprint: str | None, as_json: bool) -> None:
    """Enrol a host's key after you have compared its fingerprint.

    On the host, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows it.
    """
    from edgeq.devices.ssh import trusting

    shown = trusting.fetch(_ssh_address(address))
    key = {"host": shown.name, "kind": shown.kind, "fingerprint": shown.fingerprint}
    say(f"{shown.name} shows {shown.kind} {shown.fingerprint}", err=True)
    if shown.known and fingerprint in (None, shown.fingerprint):
        say("It is trusted already.", err=True)
        if as_json:
            print_json({**key, "trusted": True})
        return
    if fingerprint is None:
        if not sys.stdin.isatty():
            raise UsageError(
                "Nobody is there to compare the fingerprint.",
                hint="--fingerprint SHA256:..., as it is shown on the host itself",
            )
        if not click.confirm("Is that the fingerprint shown on the host itself?", err=True):
            raise click.Abort
        fingerprint = shown.fingerprint
    path = trusting.trust(shown, fingerprint)
    say(f"Trusted from now on (in {path}).", err=True)
    if as_json:
        print_json({**key, "trusted": True})


@devices.command(epilog="Example: edgeq devices probe ssh://pi@raspberrypi.local")
@click.argument("address")
@json_option
@click.pass_context
def probe(ctx: click.Context, address: str, as_json: bool) -> None:
    """What the device at ADDRESS (or group:NAME) is: CPU, memory, sensors, runtimes."""
    from edgeq.analysis.fleet.groups import PREFIX, probe_device
    from edgeq.cli.shared.fleet import probe_fleet, shown_facts

    if address.startswith(PREFIX):
        ctx.exit(probe_fleet(address, as_json=as_json))
    found = probe_device(address)
    if as_json:
        print_json(found)
    else:
        show_columns("fact", {"value": shown_facts(found)})


def _ssh_address(text: str) -> Address:
    address = parse_address(text)
    if address.scheme == "name":
        address = parse_address(inventory.resolve(address.rest))
    if address.scheme != "ssh":
        raise UsageError(f"'{text}' has no host key.", hint="an ssh://user@host address")
    return address
