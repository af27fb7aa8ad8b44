"""What a bench shows whose phones meet a real CA: the envelope of a request is closed to it, and so is the reply's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.evidence import SittingManifest
from hil.judge.findings import Finding
from hil.judge.observation import Observation
from hil.judge.rules import RULES
from hil.judge.seen import Seen
from hil.judge.verdict import Verdict

_ENVELOPE: Final = "stands in the request, sealed for the CA"
_REPLY: Final = "rests on the certificate granted, sealed in the reply for the phone"

BY_SIGNER: Final = frozenset({"csr.key_bits", "csr.common_name", "csr.dn", "csr.dn_parts", "csr.cn_position"})
"""Facts of the CSR that the client's self-signed certificate shows, which has its key and subject (RFC 8894 section 2.3)."""

_SEALED_GROUPS: Final = {"csr": _ENVELOPE, "renewal": _REPLY, "next_renewal": _REPLY, "services": _REPLY, "port": _REPLY}
_SEALED_ALONE: Final = {"challenges_sent": _ENVELOPE}

_ASKED: Final = frozenset({"contacted", "asked_in_clear", "csr", "ca", "request", "timing"})

NOT_SHOWN: Final[Mapping[str, str]] = {
    fact: reason
    for fact in RULES
    if fact not in BY_SIGNER and (reason := _SEALED_ALONE.get(fact) or _SEALED_GROUPS.get(fact.partition(".")[0]))
}
"""Facts that only a bench with the CA's key shows, and why."""


def not_shown_of(sitting: SittingManifest, slot: int) -> frozenset[str]:
    """Facts that a slot which met a real CA does not show; the name, too, where the testbed told it and not the test."""
    told = {name for played in sitting.scenarios if played.slot == slot for name in played.told}
    return frozenset(NOT_SHOWN) | ({"csr.common_name"} if "MYCERTCN" in told else set())


def asks_wrongly(found: Finding, phone: Observation) -> bool:
    """Whether a finding deviates in what a device asks, whatever the CA answers.

    So does one that asks again for what it was granted at once, and was to keep.
    """
    kept = found.expected == 0 and bool(phone.enrolments) and was_granted(phone, phone.enrolments[0])
    asked = found.fact.partition(".")[0] in _ASKED or (found.fact == "enrolments_after_restart" and kept)
    return asked and found.verdict is Verdict.DEVIATES


def was_granted(phone: Observation, enrolment: Seen) -> bool:
    """Whether the CA granted that enrolment in the end."""
    mine = enrolment.exchange.request
    sent = (seen.exchange.request for seen in phone.granted if seen.boot == enrolment.boot)
    return mine is not None and mine.transaction_id in {message.transaction_id for message in sent if message is not None}
