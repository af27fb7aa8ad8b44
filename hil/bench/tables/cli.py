"""The tables of a switch by its command line, each house's listing read by its own patterns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from hil.bench.power import Wiring
from hil.bench.power.cli import SerialSettings, SshSettings, cli_switch
from hil.bench.power.listings import Listing
from hil.bench.power.readback import Refusal
from hil.bench.tables import Neighbour, Station, Tables
from hil.errors import Misuse

MOST_PORTS = 256
LONGEST_LINE = 4096
"""Characters; patterns take a time that grows with its square."""


class CliTables:
    """A `TableReader` over a login; what it meets on the wire is a `Trouble`."""

    def __init__(self, settings: SshSettings | SerialSettings, wiring: Wiring) -> None:
        self._switch = cli_switch(settings, wiring)
        listing = self._switch.dialect.listing
        if listing is None:
            remedy = "add how it lists neighbours and stations; see docs/wiring.md"
            raise Misuse("has no listing", file=wiring.file, key=f"{wiring.key}.dialect", remedy=remedy)
        self._listing = listing
        self._refused: list[str] = []

    def read(self, macs: Collection[str]) -> Tables:
        listing = self._listing
        self._refused.clear()
        with self._switch.session():
            stations = read_stations(listing, self._run(listing.stations))
            ports = sorted({each.port for each in stations if each.mac in macs})[:MOST_PORTS]
            questions = [listing.neighbours.replace("{port}", port) for port in ports]
            neighbours = [
                neighbour
                for question in (questions if "{port}" in listing.neighbours else [listing.neighbours])
                for neighbour in read_neighbours(listing, self._run(question))
            ]
        gaps = (*_gaps(listing, neighbours, stations), *self._refused)
        return Tables(tuple(neighbours), tuple(stations), None, gaps)

    def _run(self, command: str) -> str:
        """What the switch says, each line without the blanks around it, which pagers leave where they were."""
        try:
            said = self._switch.run(command)
        except Refusal as refusal:  # an older release, or a user who may not ask: the other command may still tell enough
            self._refused.append(f"refused: {refusal}")
            return ""
        return "\n".join(line.strip()[:LONGEST_LINE] for line in said.splitlines())

    def close(self) -> None:
        """Each reading logs out by itself."""


def read_neighbours(listing: Listing, said: str) -> list[Neighbour]:
    """The neighbours that a switch's words show; words before the first are nobody's."""
    starts = list(re.finditer(listing.neighbour, said))
    edges = pairwise([*(start.start() for start in starts), len(said)])
    return [_neighbour(listing, start["port"], said[slice(*edge)]) for start, edge in zip(starts, edges, strict=True)]


def read_stations(listing: Listing, said: str) -> list[Station]:
    """The rows of a forwarding table that a switch's words show."""
    return [Station(row["port"], _mac(row["mac"])) for row in re.finditer(listing.station, said)]


def _neighbour(listing: Listing, port: str, words: str) -> Neighbour:
    told: dict[str, Any] = {name: found[1] for name, pattern in listing.told.items() if (found := re.search(pattern, words))}
    if "mac" in told:
        told["mac"] = _mac(told["mac"])
    return Neighbour(port, **told)


def _mac(text: str) -> str:
    return bytes.fromhex(re.sub(r"[^0-9A-Fa-f]", "", text)).hex(":")


def _gaps(listing: Listing, neighbours: list[Neighbour], stations: list[Station]) -> Iterator[str]:
    if not neighbours:
        yield f"no LLDP neighbours ({listing.neighbours})"
    elif not any(each.serial or each.model for each in neighbours):
        yield f"no inventory of LLDP-MED ({listing.neighbours})"
    if not stations:
        yield f"no forwarding table ({listing.stations})"
