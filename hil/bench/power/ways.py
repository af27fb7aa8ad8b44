"""Ways of power by name: the bench's own, and those that installed packages bring by entry point `hil.power`."""

from __future__ import annotations

from importlib.metadata import entry_points

from hil.bench.power import PowerWay, cli, command, manual, relay, snmp
from hil.bench.source import Source
from hil.bench.strict import nearest
from hil.errors import Misuse

GROUP = "hil.power"


def ways() -> dict[str, PowerWay]:
    """Every way that is installed, by the name that `power.kind` uses."""
    found = {
        "command": command.WAY,
        "manual": manual.WAY,
        "relay": relay.WAY,
        "serial": cli.SERIAL,
        "snmp": snmp.WAY,
        "ssh": cli.SSH,
    }
    for entry in entry_points(group=GROUP):
        if entry.name in found:  # a package can add a way, not change what a name of ours means
            continue
        way = entry.load()
        if not isinstance(way, PowerWay):
            raise Misuse(f"entry point {entry.name} = {entry.value} is not a PowerWay", key=GROUP)
        found[entry.name] = way
    return found


def find_way(kind: object, *, file: Source, key: str = "power") -> PowerWay:
    """The way called `kind`; `Misuse` naming the known ones otherwise."""
    known = ways()
    if kind is None:
        raise Misuse("is missing", file=file, key=f"{key}.kind", remedy="known here: " + ", ".join(sorted(known)))
    if not isinstance(kind, str) or kind not in known:
        raise Misuse(f"unknown way of power {kind!r}", file=file, key=f"{key}.kind", remedy=nearest(str(kind), list(known)))
    return known[kind]
