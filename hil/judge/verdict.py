"""The five verdicts, and what a fixture raises when it cannot let a test judge.

`conforms`: the phone does what the documents say. `deviates`: it does not. `characterised`: no
document says, so what it does is recorded. `inconclusive`: evidence is missing, cut or gapped.
`bench fault`: switch, CA, server or PC failed. The last two never count as the phone's, and never
as a pass. `not applicable` is coverage that this firmware, model or testbed cannot give.
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What is said of a phone, by a finding or by a test."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    CHARACTERISED = "characterised"
    INCONCLUSIVE = "inconclusive"
    BENCH_FAULT = "bench fault"
    NOT_APPLICABLE = "not applicable"


class Inconclusive(Exception):
    """The evidence does not let anybody judge; says which part of it is missing."""


class NotShown(Exception):
    """A fact was read that no bench of this kind shows, whatever the phone does: the test is not applicable."""


class NotObserved(AssertionError):
    """A fact was read that a whole capture does not hold."""
