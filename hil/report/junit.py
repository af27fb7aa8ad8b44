"""What a test case of `junit.xml` says beyond pass and fail, as properties for pytest's `record_property`."""

from __future__ import annotations

from hil.report.record import InCapture, Phone, Test, Where
from hil.report.verdicts import severity


def properties(test: Test, phone: Phone | None) -> list[tuple[str, str]]:
    """(name, value) pairs: a `requirement` for each id, verdict, phone, model, firmware, sitting, slot, each `proof` once.

    Proofs of what is worst come first. What is not known is left out rather than given empty.
    """
    told: list[tuple[str, str | None]] = [("requirement", requirement) for requirement in test.requirements]
    told += [
        ("verdict", test.verdict.value),
        ("phone", test.phone),
        ("model", phone.model if phone else None),
        ("firmware", phone.firmware if phone else None),
        ("sitting", test.sitting),
        ("slot", None if test.slot is None else str(test.slot)),
        ("confirmation", test.confirmation.verdict.value if test.confirmation else None),
    ]
    findings = sorted(test.findings, key=lambda finding: severity(finding.verdict))
    proofs = dict.fromkeys(proof(finding.phone_seen) for finding in findings if finding.phone_seen)
    told += [("proof", text) for text in proofs]
    return [(name, value) for name, value in told if value is not None]


def proof(where: Where) -> str:
    """Where something was seen, in words: `evidence/…/boot-2.pcapng frame 41`."""
    return f"{where.file} frame {where.frame}" if isinstance(where, InCapture) else f"{where.file} line {where.line}"
