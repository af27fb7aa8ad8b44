"""`hil nights`: the suite night after night, until one is not clean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from hil.bench.testbed import load
from hil.cli.night import Night, play
from hil.report.verdicts import count

VIRTUAL = Path("testbeds/virtual.yaml")


def nights(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="How many nights in a row.")],
    testbed: Annotated[Path, typer.Option(help="The bench whose phones are known to be right.")] = VIRTUAL,
    phone: Annotated[list[str] | None, typer.Option(help="This phone alone; may be given again.")] = None,
    select: Annotated[str, typer.Option("-k", help="Only tests that match, as pytest understands it.")] = "",
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the reports of all nights, not of the last alone.")] = False,
) -> None:
    """Play the suite NUMBER nights in a row on phones that do nothing wrong; stop with 1 at the first night that is not clean.

    Exit status: 0 all clean, 1 one is not, 2 misuse, 10 the bench is not fit, 11 it failed.
    """
    described = load(testbed)
    for name in phone or ():
        described.phone(name)
    words = [f"--phone={name}" for name in phone or ()] + ([f"-k={select}"] if select else [])
    former: Night | None = None
    for ordinal in range(1, number + 1):
        night = play(testbed, report_dir, "-q", "--tb=short", *words)
        if former is not None and not keep:
            shutil.rmtree(former.folder)
        former = night
        if night.exit_code:
            typer.echo(f"night {ordinal} of {number} is not clean: exit {night.exit_code}, {_counts(night)}")
            typer.echo(f"report: {night.folder}")
            raise typer.Exit(1)
        typer.echo(f"night {ordinal} of {number} clean, {night.judged} judged")


def _counts(night: Night) -> str:
    return ", ".join(f"{times} {verdict}" for verdict, times in count(test.verdict for test in night.record.tests).items())
