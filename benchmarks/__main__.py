"""`python -m benchmarks [NAME...]`: what is claimed of speed and memory, measured beside peers, in a network of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import ca_limit, ca_peer, decode, machine, round_trip, settings_server, tables
from benchmarks.measure import FULL, TINY, Claim
from hil.errors import LabFault, Misuse
from hil.virtual.namespaces import become_bench_pc

BENCHMARKS = {"ca-peer": ca_peer, "ca-limit": ca_limit, "decode": decode, "round-trip": round_trip, "settings": settings_server}
RESULTS = Path(__file__).with_name("RESULTS.md")
MISSED, MISUSE, FAULT = 1, 2, 11


def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=f"{', '.join(BENCHMARKS)}; or all.")] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="See that each works, and judge no ratio.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the results into benchmarks/RESULTS.md.")] = False,
) -> None:
    """Measure, and show ours beside the peer's. Exit status: 0, or 1 where a target is missed."""
    chosen = _chosen(names or [])
    console = Console(stderr=True)
    facts, claims = machine.facts(), list[Claim]()
    become_bench_pc()
    for name in chosen:
        console.print(f"measuring {name}", style="dim")
        with tempfile.TemporaryDirectory(prefix="hil-benchmark-") as folder:
            claims += BENCHMARKS[name].measure(TINY if tiny else FULL, Path(folder))
    output = Console(width=None if sys.stdout.isatty() else 180)
    output.print(tables.rich_table(claims))
    output.print("\n".join(f"{name}: {value}" for name, value in facts.items()), style="dim", highlight=False)
    if write:
        RESULTS.write_text(tables.markdown(claims, facts, f"{datetime.now(UTC):%Y-%m-%d}"))
    if not tiny and not all(claim.met for claim in claims):
        raise typer.Exit(MISSED)


def _chosen(names: list[str]) -> list[str]:
    """The benchmarks named, all if none is, once every peer is seen to be there."""
    chosen = names or list(BENCHMARKS)
    for name in chosen:
        if name not in BENCHMARKS:
            raise Misuse(f"no benchmark is called {name}", key="NAME", remedy=f"one of {', '.join(BENCHMARKS)}")
        missing = [package for program, package in BENCHMARKS[name].NEEDS.items() if shutil.which(program) is None]
        if missing:
            raise Misuse(f"the peer of {name} is not installed", key="NAME", remedy=f"install {', '.join(missing)}")
    return chosen


def main() -> None:
    """Run the command; every error that is foreseen is one line."""
    try:
        typer.run(run)
    except (Misuse, LabFault) as error:
        sys.stderr.write(f"benchmark: {error}\n")
        sys.exit(MISUSE if isinstance(error, Misuse) else FAULT)


if __name__ == "__main__":
    main()
