"""`hil park`: phones back to the lab's normal settings and power."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from hil.bench.bench import bench_for
from hil.bench.claim import Use
from hil.bench.testbed import Phone, Testbed, load
from hil.campaign.opening import opened
from hil.campaign.parking import Normal, Parked
from hil.campaign.parking import park as park_phones
from hil.capture.recorder import Recording
from hil.cli.terminations import terminations_as_ctrl_c
from hil.errors import LabFault, Misuse
from hil.settings.writer import SETTINGS_FILE

NOT_SEEN, FAULT, INTERRUPTED = 1, 11, 130


def park(
    testbed: Annotated[Path, typer.Option("--testbed", metavar="FILE", help="The testbed, whose `park` says what is normal.")],
    phone: Annotated[list[str] | None, typer.Argument(metavar="[PHONE]...", help="Phones by name; without, all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Delete what the bench put on phones, give them the lab's normal settings, and leave them powered.

    Exit status: 0 all of it was seen on each phone, 1 a phone was not seen to read its settings, 2 misuse, 11 the bench
    failed, 130 interrupted; phones are powered again all the same.
    """
    described = load(testbed)
    phones = [described.phone(name) for name in dict.fromkeys(phone)] if phone else list(described.phones)
    normal = normal_of(described)
    names = tuple(each.name for each in phones)
    told: list[Parked] = []
    try:
        with (
            terminations_as_ctrl_c(),
            TemporaryDirectory(prefix="hil-park-") as run,
            opened(bench_for(described, Use("hil park", names)), Path(run), recorder=_no_recorder) as bench,
        ):
            park_phones(bench, phones, normal, told.append)
    except KeyboardInterrupt:
        _say(told, normal, as_json)
        raise typer.Exit(INTERRUPTED) from None
    except LabFault:
        _say(told, normal, as_json)
        raise
    _say(told, normal, as_json)
    if not all(each.done for each in told):
        raise typer.Exit(FAULT if any(each.fault for each in told) else NOT_SEEN)


def normal_of(testbed: Testbed) -> Normal:
    """What the testbed says is normal; `Misuse` where it does not, or this bench cannot tell phones so."""
    described = testbed.park
    if described is None:
        remedy = "add `settings`, the lab's 46xxsettings.txt, or `option_242`; docs/after-the-night.md has both"
        raise Misuse("is missing, so nothing says what is normal", file=testbed.source, key="park", remedy=remedy)
    if described.option_242 is not None and not testbed.network.dhcp:
        problem = "DHCP is the lab's own here, so only that can send phones elsewhere"
        raise Misuse(problem, file=testbed.source, key="park.option_242", remedy="use park.settings")
    return Normal(described.files(testbed.source, SETTINGS_FILE), described.option_242)


def _no_recorder(phone: Phone, file: Path) -> Recording:
    raise RuntimeError(f"nothing is judged of {phone.name} while it is parked, so nothing is recorded in {file}")


def _say(told: list[Parked], normal: Normal, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"phones": [asdict(each) for each in told]}, indent=1))
    for each in () if as_json else told:
        typer.echo(f"{each.phone}: {'; '.join(_words(each, normal))}")


def _words(parked: Parked, normal: Normal) -> Iterator[str]:
    firmware = f" (firmware {parked.firmware})" if parked.firmware else ""
    yield f"read what deletes its certificates{firmware}" if parked.cleared else "not seen to delete its certificates"
    if normal.option_242 is None:
        yield "fetched the lab's settings" if parked.taken else "not seen to fetch the lab's settings"
    else:
        yield f"sent to {normal.option_242}" if parked.taken else f"not seen to ask where to go ({normal.option_242})"
    yield "on" if parked.powered else "WITHOUT POWER: hil recover"
    if parked.fault:
        yield parked.fault
