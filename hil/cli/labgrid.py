"""`hil labgrid`: a bench whose phones labgrid hands out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from hil.bench.labgrid import Labgrid
from hil.bench.labgrid.export import exporter_file
from hil.bench.labgrid.places import Places
from hil.bench.testbed import Testbed, load
from hil.errors import Misuse

TestbedFile = Annotated[Path, typer.Option("--testbed", metavar="FILE", help="The testbed that describes the bench.")]

app = typer.Typer(help="A bench whose phones labgrid hands out.", no_args_is_help=True, add_completion=False)


@app.callback()
def labgrid() -> None:
    """A bench whose phones labgrid hands out."""


@app.command()
def export(testbed: TestbedFile) -> None:
    """Print the file that tells labgrid-exporter of the phones."""
    typer.echo(exporter_file(*_described(testbed)), nl=False)


@app.command()
def places(testbed: TestbedFile) -> None:
    """Have the coordinator know a place for each phone, with the tags that a run reserves it by; may be run again."""
    with closing(Places(*_described(testbed))) as shared:
        for place in shared.publish():
            typer.echo(place)


def _described(file: Path) -> tuple[Testbed, Labgrid]:
    testbed = load(file)
    if testbed.labgrid is None:
        raise Misuse("is missing", file=testbed.source, key="labgrid", remedy="see docs/labgrid.md")
    return testbed, testbed.labgrid
