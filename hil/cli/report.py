"""`hil report`: the HTML report of a run, made again from its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.report.html import render


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, with its record.json.")] = Path("reports/latest"),
) -> None:
    """Render index.html of a run again from its record.json."""
    typer.echo(render(run))
