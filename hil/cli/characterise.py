"""`hil characterise`: what a phone does where no document says, as one command, one file and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.bench.testbed import load
from hil.cli.night import SUITE, play
from hil.errors import LabFault
from hil.judge.behaviour import Behaviour, Difference, differences
from hil.report.behaviour import value_text, write

VIRTUAL = Path("testbeds/virtual.yaml")
DIFFERS = 1
LONGEST_HOURS = "48"


def characterise(
    phone: Annotated[str, typer.Option(metavar="NAME", help="The phone, as the testbed names it.")],
    testbed: Annotated[Path, typer.Option(metavar="FILE", help="The testbed that describes the bench.")] = VIRTUAL,
    long: Annotated[bool, typer.Option("--long", help="Play what takes up to two days, too, on a real bench.")] = False,
    compare: Annotated[Path | None, typer.Option(metavar="FILE", help="A behaviour file to hold against what is seen.")] = None,
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the behaviour as JSON.")] = False,
) -> None:
    """Play what no document settles on one phone, and write down what it does, with the frame that shows it.

    Exit status: 0 written, 1 it differs from the file to compare with, 2 misuse, 10 to 12 as the suite's.
    """
    described = load(testbed)
    described.phone(phone)
    before = Behaviour.load(compare) if compare else None
    words = ["--longest", LONGEST_HOURS] if long else []
    night = play(
        testbed, report_dir, f"--phone={phone}", "--bench-retries=2", "-q", "--tb=no", *words, suite=SUITE / "characterise"
    )
    written = write(night.record, night.folder)
    if phone not in written:
        raise LabFault("the run says nothing of the phone", phone=phone, tried=str(night.folder))
    file, page = written[phone]
    behaviour = Behaviour.load(file)
    changes = differences(before, behaviour) if before else ()
    if as_json:
        typer.echo(behaviour.model_dump_json(indent=1))
    else:
        show(behaviour, changes, Console())
        if described.longest_wait is not None and not long:
            hours = f"{described.longest_wait / 3600:g} h"
            typer.echo(f"left out: what takes more than {hours}, such as retries after 24 hours; --long plays it")
        typer.echo(f"behaviour: {file}\npage: {page}")
    if night.exit_code or changes:
        raise typer.Exit(night.exit_code or DIFFERS)


def show(behaviour: Behaviour, changes: tuple[Difference, ...], console: Console) -> None:
    """Print each fact, what was looked for in vain, and what differs from before."""
    _table(console, ("fact", "seen"), [(name, value_text(fact)) for name, fact in behaviour.facts.items()])
    _table(console, ("not seen", "why"), list(behaviour.unknown.items()))
    rows = [(name, *(value_text(fact) if fact else "not seen" for fact in pair)) for name, *pair in changes]
    _table(console, ("differs", "before", "now"), rows)


def _table(console: Console, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(*heads)
    for row in rows:
        table.add_row(*(Text("".join(letter if letter.isprintable() else " " for letter in cell)) for cell in row))
    console.print(table)
