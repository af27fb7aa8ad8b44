"""What a report says, decided from the record and from nothing else; how it looks is the templates' affair."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from hil.judge.verdict import Verdict
from hil.report.record import Finding, NotApplicable, Phone, Record, Requirement, Sitting, Test
from hil.report.verdicts import count, severity

_NEEDS_EYES = (Verdict.DEVIATES, Verdict.BENCH_FAULT, Verdict.INCONCLUSIVE)
_JUDGED = (Verdict.CONFORMS, Verdict.DEVIATES, Verdict.CHARACTERISED)
_PASSED, _PASSED_AFTER_RETRIES = 0, 13


@dataclass(frozen=True)
class Headline:
    """The run's verdict in a word, the verdict whose colour it takes, and one sentence of why."""

    word: str
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Row:
    """A requirement, and for each of the view's columns the tests that name it, the worst first."""

    requirement: Requirement
    cells: tuple[tuple[Test, ...], ...]


@dataclass(frozen=True)
class Missing:
    """Requirements that no test judged on these phones, for one and the same reason."""

    reason: str
    phones: tuple[str, ...]
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True)
class Group:
    """Tests that could not be judged for one and the same reason."""

    verdict: Verdict
    reason: str
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class View:
    """A record, seen the way a report needs it."""

    record: Record

    @cached_property
    def counts(self) -> dict[Verdict, int]:
        """How many tests came to each verdict, the worst first."""
        return count(test.verdict for test in self.record.tests)

    @cached_property
    def headline(self) -> Headline:
        """A deviation outweighs a bench fault, that outweighs what is inconclusive; nothing judged is no pass."""
        run, seen = self.record.run, self.counts
        if Verdict.DEVIATES in seen:
            guilty = [phone.name for phone in self.record.phones if self._deviates(phone.name)]
            return Headline("deviation", Verdict.DEVIATES, f"{_tests(seen[Verdict.DEVIATES])} on {', '.join(guilty)}")
        if Verdict.BENCH_FAULT in seen or (self.record.faults and run.exit_code != _PASSED_AFTER_RETRIES):
            return Headline("bench fault", Verdict.BENCH_FAULT, "the bench failed, no phone is blamed")
        if run.interrupted or run.finished is None:
            return Headline("inconclusive", Verdict.INCONCLUSIVE, "the run did not come to its end")
        if Verdict.INCONCLUSIVE in seen:
            return Headline("inconclusive", Verdict.INCONCLUSIVE, f"{_tests(seen[Verdict.INCONCLUSIVE])} could not be judged")
        if not any(verdict in seen for verdict in _JUDGED):
            return Headline("inconclusive", Verdict.INCONCLUSIVE, "nothing was judged")
        if run.exit_code not in (_PASSED, _PASSED_AFTER_RETRIES):
            return Headline("inconclusive", Verdict.INCONCLUSIVE, f"no deviation, but the run ended with {run.exit_text}")
        return Headline("pass", Verdict.CONFORMS, "no phone deviates" + (", after retries" if run.exit_code else ""))

    def _deviates(self, phone: str) -> bool:
        return any(test.phone == phone and test.verdict is Verdict.DEVIATES for test in self.record.tests)

    @cached_property
    def columns(self) -> tuple[Phone, ...]:
        """The phones side by side: by model, and those of one model by firmware, the oldest first."""
        return tuple(sorted(self.record.phones, key=lambda phone: (phone.model, _release(phone.firmware))))

    @cached_property
    def models(self) -> dict[str, int]:
        """Each model with the number of its columns."""
        return dict(Counter(phone.model for phone in self.columns))

    @cached_property
    def leapt(self) -> float:
        """Phone seconds that were over at once, of all phones."""
        return sum(sitting.leapt for sitting in self.record.sittings)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The verdict matrix: requirements in their own order, then those that only a test names, then tests that name none."""
        known = {requirement.id: requirement for requirement in self.record.requirements}
        named = dict.fromkeys(name for test in self.record.tests for name in test.requirements)
        strangers = [_unlisted(name, "not among the requirements") for name in named if name not in known]
        rows = [self._row(requirement) for requirement in [*known.values(), *strangers] if requirement.id in named]
        if any(not test.requirements for test in self.record.tests):
            rows.append(Row(_unlisted("", "tests that name no requirement"), self._cells(None)))
        return tuple(rows)

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """Requirements that a phone was not judged by, with the reason."""
        reasons: dict[Requirement, dict[str, list[str]]] = {}
        for requirement in self.record.requirements:
            for phone, tests in zip(self.columns, self._cells(requirement.id), strict=True):
                if not any(test.verdict in _JUDGED for test in tests):
                    reasons.setdefault(requirement, {}).setdefault(_why_unjudged(tests), []).append(phone.name)
        together: dict[tuple[str, tuple[str, ...]], list[Requirement]] = {}
        for requirement, found in reasons.items():
            for reason, phones in found.items():
                together.setdefault((reason, tuple(phones)), []).append(requirement)
        return tuple(Missing(reason, phones, tuple(left)) for (reason, phones), left in together.items())

    def _row(self, requirement: Requirement) -> Row:
        return Row(requirement, self._cells(requirement.id))

    def _cells(self, requirement: str | None) -> tuple[tuple[Test, ...], ...]:
        about = [
            test for test in self.record.tests if (requirement in test.requirements if requirement else not test.requirements)
        ]
        return tuple(tuple(worst_first(test for test in about if test.phone == phone.name)) for phone in self.columns)

    @cached_property
    def deviations(self) -> tuple[Test, ...]:
        """Tests in which a phone is wrong."""
        return tuple(test for test in self.record.tests if test.verdict is Verdict.DEVIATES)

    @cached_property
    def unjudged(self) -> tuple[Group, ...]:
        """Bench faults and inconclusive tests, those of one reason together."""
        groups: dict[tuple[Verdict, str], list[Test]] = {}
        for test in worst_first(self.record.tests):
            if test.verdict in (Verdict.BENCH_FAULT, Verdict.INCONCLUSIVE):
                groups.setdefault((test.verdict, test.reason or "no reason was recorded"), []).append(test)
        return tuple(Group(verdict, reason, tuple(tests)) for (verdict, reason), tests in groups.items())

    @cached_property
    def not_applicable(self) -> tuple[NotApplicable, ...]:
        """Coverage that is missing, with the reason: what the run listed, and tests of that verdict that it did not list."""
        listed = {entry.test for entry in self.record.not_applicable}
        others = (test for test in self.record.tests if test.verdict is Verdict.NOT_APPLICABLE and test.id not in listed)
        return (*self.record.not_applicable, *(NotApplicable(test=test.id, reason=test.reason or "") for test in others))

    @cached_property
    def phones(self) -> dict[str, Phone]:
        """Phones by name."""
        return {phone.name: phone for phone in self.record.phones}

    @cached_property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the characterised facts, each once, in the order of the alphabet."""
        return tuple(sorted({fact for facts in self.record.behaviours.values() for fact in facts}))

    def differs(self, fact: str) -> bool:
        """Whether phones that showed a characterised fact showed it in different ways."""
        shown = [facts[fact] for facts in self.record.behaviours.values() if fact in facts]
        return any(value != shown[0] for value in shown)

    @cached_property
    def test_anchors(self) -> dict[str, str]:
        """Anchor of each test's section, by its id."""
        return {test.id: f"test-{index}" for index, test in enumerate(self.record.tests, 1)}

    @cached_property
    def sitting_anchors(self) -> dict[tuple[str, str], str]:
        """Anchor of each sitting's section, by phone and sitting: sittings are counted for each phone."""
        return {(sitting.phone, sitting.id): f"sitting-{index}" for index, sitting in enumerate(self.record.sittings, 1)}

    def tests_of(self, phone: str) -> list[Test]:
        """A phone's tests, the worst first."""
        return worst_first(test for test in self.record.tests if test.phone == phone)

    def sittings_of(self, phone: str) -> list[Sitting]:
        """A phone's sittings as they were played."""
        return [sitting for sitting in self.record.sittings if sitting.phone == phone]


def worst_first(tests: Iterable[Test]) -> list[Test]:
    """Tests by severity, else in the order given."""
    return sorted(tests, key=lambda test: severity(test.verdict))


def worst_findings(test: Test) -> list[Finding]:
    """Findings by severity, else in the order given."""
    return sorted(test.findings, key=lambda finding: severity(finding.verdict))


def needs_eyes(test: Test) -> bool:
    """Whether a report shows the test opened."""
    return test.verdict in _NEEDS_EYES


def _why_unjudged(tests: Sequence[Test]) -> str:
    if not tests:
        return "no test of it was selected"
    verdict, reason = tests[0].verdict, tests[0].reason or "no reason was recorded"
    return reason if reason.startswith(verdict) else f"{verdict}: {reason}"


def _release(firmware: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", firmware or ""))


def _unlisted(name: str, title: str) -> Requirement:
    return Requirement(id=name, title=title, place="", basis="characterised")


def _tests(number: int) -> str:
    return "1 test" if number == 1 else f"{number} tests"
