"""`hil nights`: the suite night after night, until one is not clean."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hil.bench.testbed import load
from hil.cli.night import Night, Playing, ending_together
from hil.errors import Misuse
from hil.report.verdicts import count

VIRTUAL = Path("testbeds/virtual.yaml")


def nights(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="How many nights in a row.")],
    testbed: Annotated[Path, typer.Option(help="The bench whose phones are known to be right.")] = VIRTUAL,
    phone: Annotated[list[str] | None, typer.Option(help="This phone alone; may be given again.")] = None,
    select: Annotated[str, typer.Option("-k", help="Only tests that match, as pytest understands it.")] = "",
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the reports of all nights, not of the last alone.")] = False,
    at_once: Annotated[
        int, typer.Option(min=1, metavar="BENCHES", help="Virtual benches beside each other, each with a night of its own.")
    ] = 1,
) -> None:
    """Play the suite NUMBER nights in a row on phones that do nothing wrong; stop with 1 at the first night that is not clean.

    Exit status: 0 all clean, 1 one is not, 2 misuse, 10 the bench is not fit, 11 it failed.
    """
    described = load(testbed)
    for name in phone or ():
        described.phone(name)
    if at_once > 1 and described.kind != "virtual":
        raise Misuse("a bench of real phones is there once", key="--at-once", remedy="play its nights one after another")
    words = ["-q", "--tb=short", *(f"--phone={name}" for name in phone or ()), *([f"-k={select}"] if select else [])]
    with tempfile.TemporaryDirectory(prefix="hil-nights-") as scratch, ending_together() as under_way:
        benches = [_Bench(testbed, report_dir, words)]
        if at_once > 1:
            folders = [(report_dir / f"bench-{place}", Path(scratch) / str(place)) for place in range(1, at_once + 1)]
            benches = [_Bench(testbed, reports, words, state) for reports, state in folders]
        for bench in benches[:number]:
            under_way.append(bench.begin())  # each at once, so that it is ended where the next cannot begin
        for ordinal in range(1, number + 1):
            bench = benches[(ordinal - 1) % at_once]
            night = under_way[0].end()
            del under_way[0]
            if night.exit_code:
                typer.echo(f"night {ordinal} of {number} is not clean: exit {night.exit_code}, {_counts(night)}")
                typer.echo(f"report: {night.folder}")
                raise typer.Exit(1)
            typer.echo(f"night {ordinal} of {number} clean, {night.judged} judged")
            bench.clean(night, keep=keep)
            if ordinal + at_once <= number:
                under_way.append(bench.begin())


@dataclass
class _Bench:
    """Where nights are played one after another: with leases of its own where it is one of several."""

    testbed: Path
    report_dir: Path
    words: Sequence[str]
    state: Path | None = None
    _former: Night | None = None

    def begin(self) -> Playing:
        """Begin a night; what it says goes to a file of its reports where others are under way."""
        said = self.report_dir / "said.txt" if self.state else None
        self.report_dir.mkdir(parents=True, exist_ok=True)
        return Playing(self.testbed, self.report_dir, *self.words, state=self.state, said=said)

    def clean(self, night: Night, *, keep: bool) -> None:
        """The night has ended as it should; where not `keep`, the one before is dropped."""
        if self._former is not None and not keep:
            shutil.rmtree(self._former.folder)
        self._former = night


def _counts(night: Night) -> str:
    return ", ".join(f"{times} {verdict}" for verdict, times in count(test.verdict for test in night.record.tests).items())
