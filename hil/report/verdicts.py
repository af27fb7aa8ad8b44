"""How verdicts are written and ordered wherever a run is told to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hil.judge.verdict import Verdict

WORST_FIRST = (
    Verdict.DEVIATES,
    Verdict.BENCH_FAULT,
    Verdict.INCONCLUSIVE,
    Verdict.CHARACTERISED,
    Verdict.CONFORMS,
    Verdict.NOT_APPLICABLE,
)
"""The order of reading: what somebody must act on, what was seen, what could not be shown."""

LETTERS = {verdict: "H" if verdict is Verdict.CHARACTERISED else verdict.value[0].upper() for verdict in Verdict}
"""The one letter that stands for a verdict where otherwise colour alone would have to speak."""


def severity(verdict: Verdict) -> int:
    """Place in the order of reading; 0 is what must be seen first."""
    return WORST_FIRST.index(verdict)


def count(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How often each verdict occurs, the worst first, without those that do not occur."""
    seen = Counter(verdicts)
    return {verdict: seen[verdict] for verdict in WORST_FIRST if seen[verdict]}
