"""From a run's record to the behaviour of each phone in it, and the page that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from hil.judge.behaviour import Behaviour, Proof, anonymous, unit_of
from hil.judge.verdict import Verdict
from hil.report.files import write_whole
from hil.report.record import Finding, InCapture, Phone, Record, Test
from hil.report.values import printable


def behaviour_of(record: Record, phone: Phone) -> Behaviour:
    """What the run saw `phone` do where no document says; a test's own parameter is the case of its facts."""
    facts: dict[str, Behaviour.Fact] = {}
    unknown: dict[str, str] = {}
    for test in record.tests:
        if test.phone != phone.name:
            continue
        for name, finding in _characterised(test):
            if finding.phone is None and finding.phone_seen is None:
                unknown.setdefault(name, finding.reason or "not seen")
            else:
                value = anonymous(finding.phone, phone.mac, phone.serial)
                facts[name] = _joined(facts.get(name), Behaviour.Fact(value=value, unit=unit_of(name), proof=_proof(finding)))
        if not test.findings and test.verdict is not Verdict.CHARACTERISED:
            unknown[test.name] = f"{test.verdict.value}: {test.reason or 'no reason is known'}"
    return Behaviour(
        model=phone.model,
        firmware=phone.firmware,
        phone=phone.name,
        run=record.run.id,
        testbed=record.run.testbed.name,
        rate=record.run.testbed.rate,
        facts=dict(sorted(facts.items())),
        unknown={name: why for name, why in sorted(unknown.items()) if name not in facts},
    )


def _characterised(test: Test) -> Iterator[tuple[str, Finding]]:
    case = test.name.partition("[")[2].removesuffix("]")
    for finding in test.findings:
        if finding.verdict is Verdict.CHARACTERISED:
            yield (f"{finding.fact} [{case}]" if case else finding.fact), finding


def _questions(record: Record, phone: str) -> Iterator[tuple[str, str]]:
    """Each fact, with its case, and what the test that saw it asks."""
    known = {requirement.id: requirement for requirement in record.requirements}
    for test in record.tests:
        asked = [known[identifier] for identifier in test.requirements]
        for name, finding in _characterised(test) if test.phone == phone else ():
            of_fact = [requirement.title for requirement in asked if finding.fact in requirement.facts]
            yield name, next(iter(of_fact or [requirement.title for requirement in asked]), "")


def _proof(finding: Finding) -> Proof | None:
    seen = finding.phone_seen
    return Proof(capture=seen.file, frame=seen.frame, time=seen.time) if isinstance(seen, InCapture) else None


def _joined(known: Behaviour.Fact | None, new: Behaviour.Fact) -> Behaviour.Fact:
    """One fact of what was seen before and now; where the values differ it holds them all."""
    if known is None or known.value == new.value:
        return known or new
    before: list[JsonValue] = known.value if known.differs and isinstance(known.value, list) else [known.value]
    values = before if new.value in before else [*before, new.value]
    return known.model_copy(update={"value": values, "differs": True})


def page(behaviour: Behaviour, record: Record) -> str:
    """The behaviour as a page in Markdown: what each test looked for, what was seen, and where."""
    lines = [
        f"# {behaviour.model} with firmware {behaviour.firmware or 'not seen'}",
        "",
        f"Phone {behaviour.phone} on {behaviour.testbed}, run {behaviour.run}, {behaviour.rate:g} phone seconds in a real one.",
        "",
        "| question | fact | seen | proof |",
        "|---|---|---|---|",
    ]
    titles = dict(_questions(record, behaviour.phone))
    for name, fact in behaviour.facts.items():
        proof = f"{fact.proof.capture} frame {fact.proof.frame}" if fact.proof else ""
        lines.append(_row(titles.get(name, ""), name, value_text(fact), proof))
    if behaviour.unknown:
        lines += ["", "## Not seen", "", "| fact | why |", "|---|---|"]
        lines += [_row(name, why) for name, why in behaviour.unknown.items()]
    return "\n".join([*lines, ""])


def write(record: Record, run: Path) -> dict[str, tuple[Path, Path]]:
    """Write behaviour file and page of each phone into the run's folder; their paths by the phone's name."""
    written = {}
    for phone in record.phones:
        behaviour = behaviour_of(record, phone)
        file = behaviour.save(run / f"behaviour-{phone.name}.yaml")
        shown = write_whole(run / f"behaviour-{phone.name}.md", page(behaviour, record).encode())
        written[phone.name] = (file, shown)
    return written


def value_text(fact: Behaviour.Fact) -> str:
    """A fact's value for people, with its unit."""
    value = fact.value
    shown = (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
    return f"{shown} {fact.unit}".strip() + (" (differs)" if fact.differs else "")


def _row(*cells: str) -> str:
    """A row of a table; what the wire said can end neither cell nor row, and is no markup."""
    return (
        "| " + " | ".join(printable(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
    )
