"""`hil doctor`: whether a bench is fit to play on, and where not, why and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.cli.main import UNFIT
from hil.cli.terminations import terminations_as_ctrl_c
from hil.doctor.checks import CHECKS
from hil.doctor.examining import Answer, State, examine, fit
from hil.doctor.visit import Visit

INTERRUPTED = 130

_STYLES = {State.WELL: "green", State.ILL: "bold red", State.UNTOLD: "yellow", State.UNASKED: "dim"}


def doctor(
    testbed: Annotated[Path, typer.Option("--testbed", metavar="FILE", help="The testbed that describes the bench.")],
    quick: Annotated[bool, typer.Option("--quick", help="Leave the phones alone: nothing is restarted.")] = False,
    time_server: Annotated[
        str | None, typer.Option("--time-server", metavar="HOST[:PORT]", help="Compare this PC's clock with this server's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Examine a bench: PC, switch, wire, phones. Without --quick each phone is restarted, and left powered.

    Exit status: 0 ready, 10 not ready, 130 interrupted; phones are powered again all the same.
    """
    try:
        with (
            terminations_as_ctrl_c(),
            TemporaryDirectory(prefix="hil-doctor-") as folder,
            Visit(testbed, Path(folder), quick=quick, time_server=time_server) as visit,
        ):
            answers = examine(CHECKS, visit, quick=quick, tell=_say_asked)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        _say_asked("")
    if as_json:
        typer.echo(json.dumps({"ready": fit(answers), "checks": [asdict(answer) for answer in answers]}, indent=1))
    else:
        _show(answers)
    if not fit(answers):
        raise typer.Exit(UNFIT)


def _say_asked(asks: str) -> None:
    """What is asked now, to whoever waits at a terminal; no thread of rich's, for a bench is opened before any starts."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{asks and 'asking: '}{asks}")
        sys.stderr.flush()


def _show(answers: Sequence[Answer]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for answer in answers:
        table.add_row(answer.check, Text(answer.state, _STYLES[answer.state]), Text(answer.seen))
        if answer.remedy:
            table.add_row("", "", Text(f"-> {answer.remedy}"))
    console.print(table)
    ill = [answer.check for answer in answers if answer.state is State.ILL]
    untold = [answer.check for answer in answers if answer.state in (State.UNTOLD, State.UNASKED)]
    but = f", as far as was told: see {', '.join(untold)}" if untold else ""
    console.print(Text(f"not ready: {', '.join(ill)}" if ill else f"ready{but}", "bold"))
