"""What a script has the CA say: the chain, and each lie told by itself with all else true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.clock import ManualClock
from hil.scenario import Answer, Chain, Forge, HttpError, Issue, Pend, Reject, Reset
from hil.scep import build
from hil.scep.authority import Authority
from hil.scep.ca import CaService, LedgerEntry
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr
from hil.scep.messages import MessageType, PkiMessage, PkiStatus, read_message
from hil.scep.signers import challenge, issue
from hil.secret import Secret

NONCE = bytes(range(16))
TRANSACTION = "1D6FFBE8B6EF"
Make = Callable[..., bytes]
Ask = Callable[..., PkiMessage]


@pytest.fixture
def ledger() -> list[LedgerEntry]:
    return []


@pytest.fixture
def ask(authority: Authority, clock: ManualClock, ledger: list[LedgerEntry], request_of: Make, key: RSAPrivateKey) -> Ask:
    """The reply to a PKCSReq by a CA with this script."""

    def run(answer: Answer, authority: Authority = authority, **options: bool) -> PkiMessage:
        service = CaService(authority, issue(authority), clock=clock, script=(answer,), ledger=ledger.append, **options)
        return read_message(service.pki_operation(request_of()), keys=(key,))

    return run


@pytest.mark.parametrize(
    ("chain", "include_chain", "order"),
    [
        (None, False, "l"),
        (None, True, "lc"),
        ("absent", True, "l"),
        ("leaf first", False, "lc"),
        ("leaf last", False, "cl"),
    ],
)
def test_the_chain_and_its_order(ask: Ask, authority: Authority, chain: Chain | None, include_chain: bool, order: str) -> None:
    reply = ask(Issue(chain=chain), include_chain=include_chain)
    assert "".join("c" if each == authority.certificate else "l" for each in reply.issued) == order


def test_a_chain_of_two_with_the_leaf_last_begins_at_its_root(
    clock: ManualClock, key: RSAPrivateKey, signer: Certificate
) -> None:
    root = Authority.create("Root", clock)
    below = Authority.create("Issuing", clock, above=root)
    service = CaService(below, issue(below), clock=clock, script=(Issue(chain="leaf last"),))
    request = build.build_request(
        MessageType.PKCSReq,
        build_csr(key, (("CN", "19WZ1234567A"),), challenge_password=None),
        signer=signer,
        key=key,
        recipient=below.certificate,
        transaction_id=TRANSACTION,
        sender_nonce=NONCE,
    )
    *above, leaf = read_message(service.pki_operation(request), keys=(key,)).issued
    assert above == [root.certificate, below.certificate]
    assert leaf.signed_by(below.certificate)


def test_a_certificate_may_lie_in_the_future(ask: Ask, clock: ManualClock) -> None:
    (issued,) = ask(Issue(days=30, backdated=-2)).issued
    assert (issued.not_before, issued.not_after) == (clock.now() + timedelta(days=2), clock.now() + timedelta(days=32))


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Issue(), set()),
        (Forge("recipientNonce"), {"nonce"}),
        (Forge("transactionID"), {"transaction"}),
        (Forge("signer"), {"signer"}),
        (Forge("signature"), {"signature"}),
        (Forge("certificate"), {"certificate"}),
        (Forge("recipientNonce", of=Forge("transactionID")), {"nonce", "transaction"}),
        (Reset("after", of=Forge("recipientNonce", of=Forge("certificate"))), {"nonce", "certificate"}),
    ],
)
def test_a_lie_is_all_that_is_wrong(
    ask: Ask, authority: Authority, signer: Certificate, answer: Answer, wrong: set[str], ledger: list[LedgerEntry]
) -> None:
    reply = ask(answer)
    (issued,) = reply.issued
    assert reply.signer is not None
    holds = {
        "nonce": reply.recipient_nonce == NONCE,
        "transaction": reply.transaction_id == TRANSACTION,
        "signer": reply.signer == authority.certificate,
        "signature": reply.signature_valid,
        "certificate": issued.public_key_der == signer.public_key_der,
    }
    assert {name for name, true in holds.items() if not true} == wrong
    assert reply.signer.subject == authority.certificate.subject
    assert issued.signed_by(authority.certificate)
    assert issued.subject == signer.subject
    assert len(reply.recipient_nonce or b"") == 16
    (entry,) = ledger
    assert (entry.transaction_id, entry.issued_der) == (TRANSACTION, issued.der)
    assert entry.scripted == (None if answer == Issue() else repr(answer))


@pytest.mark.parametrize(("of", "status"), [(Pend(), PkiStatus.PENDING), (Reject("badAlg"), PkiStatus.FAILURE)])
def test_pending_and_failure_are_forged_too(ask: Ask, of: Pend | Reject, status: PkiStatus) -> None:
    reply = ask(Forge("transactionID", of=of))
    assert (reply.status, reply.recipient_nonce) == (status, NONCE)
    assert reply.transaction_id != TRANSACTION


def test_a_forged_pending_is_forged_at_each_poll_and_an_error_leaves_it_pending(
    authority: Authority, clock: ManualClock, key: RSAPrivateKey, signer: Certificate, request_of: Make
) -> None:
    script = (Forge("recipientNonce", of=Pend(times=2)), HttpError(503), Issue())
    service = CaService(authority, issue(authority), clock=clock, script=script)
    names = build.issuer_and_subject(authority.certificate.subject_der, signer.subject_der)
    polls = [
        build.build_request(
            MessageType.CertPoll,
            names,
            signer=signer,
            key=key,
            recipient=authority.certificate,
            transaction_id=TRANSACTION,
            sender_nonce=NONCE,
        )
        for _ in range(3)
    ]
    replies = [service.answer(message) for message in (request_of(), *polls)]
    assert [reply.script for reply in replies] == [script[0], script[0], script[1], script[2]]
    first, second, nothing, last = (reply.cert_rep for reply in replies)
    for pending in (read_message(first), read_message(second)):
        assert (pending.status, pending.recipient_nonce == NONCE) == (PkiStatus.PENDING, False)
    assert nothing == b""
    assert read_message(last, keys=(key,)).status is PkiStatus.SUCCESS


def test_a_signers_refusal_keeps_what_the_script_has_for_it(
    authority: Authority, clock: ManualClock, request_of: Make, ledger: list[LedgerEntry]
) -> None:
    layered = challenge(Secret("another"))(issue(authority))
    script = Reset("during", of=Forge("recipientNonce"))
    service = CaService(authority, layered, clock=clock, script=(script,), ledger=ledger.append)
    reply = service.answer(request_of())
    read = read_message(reply.cert_rep)
    assert (read.status, read.recipient_nonce == NONCE, reply.script) == (PkiStatus.FAILURE, False, script)
    assert ledger[0].problem == "challengePassword wrong"
