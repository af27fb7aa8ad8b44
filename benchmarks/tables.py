"""Claims as a table, for a terminal and for a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rich.table import Table

from benchmarks.measure import Claim

HEAD = ("what", "unit", "ours", "peer", "the peer's", "ratio", "target", "met")


def rich_table(claims: Sequence[Claim]) -> Table:
    """For a terminal."""
    table = Table(*HEAD)
    for claim in claims:
        table.add_row(*_row(claim), style=None if claim.met else "red")
    return table


def markdown(claims: Sequence[Claim], facts: Mapping[str, str], date: str) -> str:
    """For a file: the table, what was compared in each row, and the machine."""
    lines = [
        "# Results",
        "",
        f"As measured on {date} by `./bench benchmark --write`; ratios above 1 say that ours is better.",
        "Numbers are the medians of the rounds, in brackets their spread. Ratios are made round by round.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *map(_row, claims))),
        "",
        *dict.fromkeys(f"- **{claim.name}, {claim.peer}**: {claim.how}." for claim in claims),
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
    ]
    return "\n".join(lines)


def _row(claim: Claim) -> tuple[str, ...]:
    target = "" if claim.target is None else f"{claim.target:.3g}"
    met = "" if claim.target is None else "yes" if claim.met else "no"
    numbers = (_spread(claim.ours), claim.peer, _spread(claim.theirs), _spread(claim.ratios))
    return (claim.name, claim.unit, *numbers, target, met)


def _spread(numbers: Sequence[float]) -> str:
    middle, least, most = (_number(number) for number in (median(numbers), min(numbers), max(numbers)))
    return middle if least == most else f"{middle} ({least} to {most})"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
