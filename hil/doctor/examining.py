"""A table of checks, asked one after another: each whatever became of the others, but for those that it needs.

A check returns what it saw where all is well, and raises otherwise: `Ill` or an error of the part that it asked, where
the bench is not fit; `Untold` where nothing here can tell.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from hil.errors import LabFault, Misuse

Asked = TypeVar("Asked")

LEFT_ALONE = "phones are left alone (--quick)"


class State(StrEnum):
    """What a check came to; only `ILL` makes a bench unfit."""

    WELL = "ok"
    ILL = "not ok"
    UNTOLD = "not told"
    UNASKED = "not asked"


class Ill(LabFault):
    """Something is not as a run needs it; with a `remedy` of its own where that of the check is too general."""

    def __init__(self, seen: str, remedy: str | None = None) -> None:
        super().__init__(seen)
        self.remedy = remedy


class Untold(Exception):
    """What a check asks cannot be told on this bench; the text says why."""


@dataclass(frozen=True)
class Check(Generic[Asked]):
    """One thing asked of a bench: what for, which checks have to be well before, how, and what to do where it is not.

    One that `restarts` phones is left out of a quick examination.
    """

    name: str
    asks: str
    needs: tuple[str, ...]
    ask: Callable[[Asked], str]
    remedy: str
    restarts: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of a check: what was seen, or why it was not asked, and where the bench is unfit what to do."""

    check: str
    state: State
    seen: str
    remedy: str | None = None


def examine(
    checks: Iterable[Check[Asked]], asked: Asked, *, quick: bool = False, tell: Callable[[str], None] = lambda _: None
) -> tuple[Answer, ...]:
    """Ask every check of `checks`, those that others need first; `tell` hears what is asked next."""
    answers: dict[str, Answer] = {}
    for check in checks:
        answer = _unasked(check, answers, quick)
        if answer is None:
            tell(check.asks)
            answer = _answered(check, asked)
        answers[check.name] = answer
    return tuple(answers.values())


def fit(answers: Sequence[Answer]) -> bool:
    """Whether nothing speaks against a run."""
    return all(answer.state is not State.ILL for answer in answers)


def _unasked(check: Check[Asked], before: Mapping[str, Answer], quick: bool) -> Answer | None:
    """Why a check cannot be asked, None where it can."""
    for need in check.needs:
        state = before[need].state
        if state is State.ILL:
            return Answer(check.name, State.UNASKED, f"because {need} is not ok")
        if state is State.UNASKED:
            return Answer(check.name, State.UNASKED, f"because {need} was not asked")
    return Answer(check.name, State.UNASKED, f"because {LEFT_ALONE}") if quick and check.restarts else None


def _answered(check: Check[Asked], asked: Asked) -> Answer:
    try:
        return Answer(check.name, State.WELL, check.ask(asked))
    except Untold as untold:
        return Answer(check.name, State.UNTOLD, str(untold))
    except Ill as ill:
        return Answer(check.name, State.ILL, str(ill), ill.remedy or check.remedy)
    except LabFault as fault:
        return Answer(check.name, State.ILL, str(fault), check.remedy)
    except (OSError, subprocess.SubprocessError) as error:
        return Answer(check.name, State.ILL, f"this PC failed: {error}", check.remedy)
    except Misuse as misuse:
        return Answer(check.name, State.ILL, misuse.placed, misuse.remedy or check.remedy)
