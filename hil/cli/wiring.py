"""`hil wiring`: whether each phone hangs where its testbed says, and is the one that its testbed says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from hil.bench.bench import bench_for
from hil.bench.claim import Use
from hil.bench.testbed import load
from hil.cli.power import TestbedFile
from hil.cli.terminations import terminations_as_ctrl_c
from hil.wiring.judging import Wired
from hil.wiring.sayings import Way
from hil.wiring.verifying import PATIENCE, verify_wiring

NOT_AS_TOLD = 10
_HEADS = ("phone", "expected", "seen", "MAC", "model", "serial", "firmware", "verdict")


def wiring(
    testbed: TestbedFile,
    by_power: Annotated[
        bool, typer.Option("--by-power", help="Switch each outlet off and on, and see which port it powers.")
    ] = False,
    listen: Annotated[bool, typer.Option("--listen", help="Speak LLDP at the PC's own interface, too; needs root.")] = False,
    patience: Annotated[
        float, typer.Option("--patience", metavar="S", min=0, max=3600, help="Longest wait for phones not seen yet, in seconds.")
    ] = PATIENCE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Show for each phone its port, MAC, model, serial number and firmware as the switch and the phone tell them.

    Ends with 0 if all is as the testbed says, with 10 if not, with 11 if the switch cannot be asked.
    """
    use = Use("hil wiring", None if by_power else (), whole=False)  # whoever only looks needs nothing for himself
    with terminations_as_ctrl_c(), bench_for(load(testbed), use) as bench:
        found = verify_wiring(bench, by_power=by_power, listen=listen, patience=patience)
    typer.echo(json.dumps([_facts(each) for each in found], indent=1) if as_json else "\n".join(_table(found)))
    if not all(each.verified for each in found):
        raise typer.Exit(NOT_AS_TOLD)


def _facts(wired: Wired) -> dict[str, Any]:
    place = wired.place
    return {
        "phone": wired.phone,
        "outlet": place.outlet,
        "expected_port": place.expected,
        "observed_port": place.observed,
        "seen_port": wired.seen,
        "mac": place.identity.mac,
        "model": place.identity.model,
        "serial": place.identity.serial,
        "said": [asdict(said) for said in wired.said],
        "verdict": _verdict(wired),
        "problems": [asdict(problem) for problem in wired.problems],
    }


def _verdict(wired: Wired) -> str:
    return ", ".join(dict.fromkeys(problem.fault.value for problem in wired.problems)) or "as told"


def _table(found: Sequence[Wired]) -> Iterator[str]:
    """A row for each phone, a row for each way in which it spoke of itself, then what is wrong and what to do."""
    rows = [_HEADS, *(row for wired in found for row in _rows(wired))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    yield from ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    for wired in found:
        for problem in wired.problems:
            yield ""
            yield f"{wired.phone}: {problem.fault.value}: {problem.seen}"
            yield f"  {problem.remedy}"


def _rows(wired: Wired) -> Iterator[tuple[str, ...]]:
    place = wired.place
    identity = place.identity
    yield (
        wired.phone, place.expected or "?", wired.seen or "-", identity.mac, identity.model, identity.serial, "", _verdict(wired),
    )  # fmt: skip
    for way in Way:
        for said in wired.said:
            if said.way is way:
                yield f"  {way.value}", "", "", said.mac or "-", said.model or "-", said.serial or "-", said.firmware or "-", ""
