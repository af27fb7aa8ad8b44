"""What is read of a request that is sealed for a real CA, and what of it the page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_evidence import key

from hil.judge.csr import SealedCsrFacts
from hil.judge.findings import Finding, Sighting, compare
from hil.judge.observation import Observation
from hil.judge.rules import RULES, Told
from hil.judge.sealed import BY_SIGNER, NOT_SHOWN, asks_wrongly, was_granted
from hil.judge.seen import Where
from hil.judge.verdict import NotShown, Verdict
from hil.scenario import Scenario
from hil.scep.authority import self_signed
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.messages import MessageType, PkiStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DUE = (("O", "Lab"), ("CN", "19WZ1234567A"))
PAGE = Path(__file__).parents[2] / "docs" / "external-ca.md"


def signer(subject: tuple[tuple[str, str], ...] = DUE, bits: int = 2048) -> Certificate:
    """The certificate that a client makes to sign its request with."""
    made = key(bits)
    return self_signed(read_csr(build_csr(made, subject, challenge_password=None)).subject_der, made, NOW)


def sealed(certificate: Certificate | None) -> SealedCsrFacts:
    return SealedCsrFacts(certificate, lambda: DUE, Where("boot-1.pcapng", 1, NOW))


@pytest.mark.parametrize("bits", [1024, 2048])
def test_the_clients_own_certificate_shows_key_and_subject(bits: int) -> None:
    facts = sealed(signer(bits=bits))
    assert (facts.key_bits, facts.common_name, facts.dn, facts.cn_position) == (bits, DUE[1][1], DUE[:1], "last")


def test_the_order_of_the_parts_is_that_of_the_certificate() -> None:
    assert sealed(signer(DUE[::-1])).cn_position == "first"


@pytest.mark.parametrize("subject", [(("CN", "SCEP SIGNER"),), (*DUE, ("OU", "more"))])
def test_a_signer_of_another_name_shows_the_key_alone(subject: tuple[tuple[str, str], ...]) -> None:
    facts = sealed(signer(subject))
    assert facts.key_bits == 2048
    with pytest.raises(NotShown, match="calls itself"):
        _ = facts.common_name


def test_a_certificate_of_a_ca_shows_nothing_of_the_csr() -> None:
    issued = SimpleNamespace(self_signed=False)
    for certificate in (None, issued):
        with pytest.raises(NotShown, match="sealed"):
            _ = sealed(certificate).key_bits  # type: ignore[arg-type]


@pytest.mark.parametrize("fact", [fact for fact in NOT_SHOWN if fact.startswith("csr.")])
def test_what_is_sealed_is_neither_a_pass_nor_a_deviation(fact: str) -> None:
    with pytest.raises(NotShown, match="sealed for a real CA"):
        getattr(sealed(signer()), fact.removeprefix("csr."))


def observed() -> Observation:
    message: Any = SimpleNamespace(
        message_type=MessageType.PKCSReq, transaction_id="1", csr=None, signer=signer(), signature_valid=True
    )
    exchange = SimpleNamespace(request=message, reply=None, request_frame=1)
    seen: Any = SimpleNamespace(exchange=exchange, boot=1, time=NOW, where=Where("boot-1.pcapng", 1, NOW))
    return Observation("j179-1", 1, [seen], due=lambda: DUE)


def test_what_needs_the_cas_key_is_not_shown_of_a_device_either() -> None:
    phone = observed()
    for read in (lambda: phone.challenges_sent, lambda: phone.renewal, lambda: phone.carrying("lab phones")):
        with pytest.raises(NotShown, match="sealed for a real CA"):
            read()


def test_a_short_key_deviates_all_the_same() -> None:
    phone = observed()
    told = Told(Scenario(), SimpleNamespace(key_bits=4096))  # type: ignore[arg-type]
    found = compare("csr.key_bits", phone, phone, told)
    assert (found.phone.value, found.verdict) == (2048, Verdict.DEVIATES)


def test_the_page_has_each_fact_as_it_is_told_here() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if "| shown |" in line]
    told = {fact: cells[2].strip() for cells in rows for fact in re.findall(r"`([a-z_.]+)`", cells[0])}
    assert {fact: f"not: {reason}" for fact, reason in NOT_SHOWN.items()} == {
        fact: text for fact, text in told.items() if fact not in BY_SIGNER
    }
    assert {told[fact] for fact in BY_SIGNER} == {"by the certificate that signs the request"}
    assert told.keys() <= RULES.keys()
    assert rows[-1][0].strip().startswith("all others")


GRANTED, REFUSED = PkiStatus.SUCCESS, PkiStatus.FAILURE


def asked(*answers: tuple[int, PkiStatus]) -> Observation:
    """A device that enrolled once for each answer, in the boot of that number."""
    seen: Any = [
        SimpleNamespace(
            boot=boot,
            exchange=SimpleNamespace(
                request=SimpleNamespace(message_type=MessageType.PKCSReq, transaction_id=str(number)),
                reply=SimpleNamespace(status=status),
            ),
        )
        for number, (boot, status) in enumerate(answers)
    ]
    return Observation("j179-1", 1, seen, due=lambda: DUE)


def finding(fact: str, expected: object, verdict: Verdict = Verdict.DEVIATES) -> Finding:
    return Finding(fact, Sighting(1), Sighting(), expected, RULES[fact], verdict)


@pytest.mark.parametrize(
    ("found", "phone", "wrong"),
    [
        (finding("csr.key_bits", 2048), asked((2, REFUSED)), True),
        (finding("request.nonce_fresh", True), asked((2, REFUSED)), True),
        (finding("csr.key_bits", 2048, Verdict.CONFORMS), asked((2, REFUSED)), False),
        (finding("enrolments_after_restart", 0), asked((2, GRANTED), (3, REFUSED)), True),
        (finding("enrolments_after_restart", 0), asked((2, REFUSED), (3, GRANTED)), False),
        (finding("enrolments_after_restart", 1), asked((2, GRANTED), (3, REFUSED), (4, GRANTED)), False),
    ],
)
def test_what_a_phone_asks_is_wrong_whatever_the_ca_answers(found: Finding, phone: Observation, wrong: bool) -> None:
    assert asks_wrongly(found, phone) is wrong


def test_a_request_is_granted_by_the_answer_to_its_own_transaction() -> None:
    phone = asked((2, GRANTED), (2, REFUSED), (3, PkiStatus.PENDING))
    assert [was_granted(phone, seen) for seen in phone.enrolments] == [True, False, False]
