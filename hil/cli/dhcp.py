"""`hil dhcp`: who gives the phones of a bench their addresses, and whether that sends them to the bench."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from hil.bench.real import check_network
from hil.bench.testbed import load
from hil.campaign.addressing import Addressing, ask, problems
from hil.capture.dhcp import Offer
from hil.cli.power import TestbedFile
from hil.errors import Misuse

FAULT = 11


def dhcp(testbed: TestbedFile) -> None:
    """Ask for an address in each phone's name, and show what every DHCP server on the bench's network offers.

    No address is taken, and the bench's own server is not asked. Exit status: 0, or 11 where phones would not boot here.
    """
    described = load(testbed)
    if described.kind == "virtual":
        problem = "a virtual bench has a network only while it runs"
        raise Misuse(problem, file=described.source, key="kind", remedy="name the testbed of a real bench")
    check_network(described)
    seen = ask(described)
    for line in _shown(seen):
        typer.echo(line)
    found = problems(described, seen)
    for problem in found:
        typer.echo(f"wrong: {problem}")
    if found:
        raise typer.Exit(FAULT)
    own = described.network.dhcp
    typer.echo("nobody else gives addresses" if own else "every phone is sent to the bench")


def _shown(seen: Addressing) -> Iterator[str]:
    """A line for each offer."""
    for name, offers in (*seen.offers.items(), ("any stranger", seen.strangers)):
        for offer in offers:
            yield f"{name}: {_text(offer)}"


def _text(offer: Offer) -> str:
    lease = "no lease time" if offer.lease is None else f"for {offer.lease} s"
    site = "no option 242" if offer.site is None else f"option 242 {offer.site!r}"
    return f"{offer.server} offers {offer.address} {lease}, {site}"
