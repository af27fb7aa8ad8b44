"""Renewal, GetCert, GetCRL, GetNextCACert, GetCACertChain, failInfoText and retransmission: client and CA over a socket."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.clock import ManualClock
from hil.scenario import Answer, Issue, Pend, Reject
from hil.scep import ca as ca_module
from hil.scep.answered import MOST_ANSWERS, Answered
from hil.scep.authority import Authority, self_signed
from hil.scep.build import build_request
from hil.scep.ca import CaService, LedgerEntry, ScepRefusal
from hil.scep.certificate import Certificate
from hil.scep.client import Client, Issued, Pending, Rejected, ReplyRefused
from hil.scep.crl import Crl, read_crl, write_crl
from hil.scep.csr import build_csr, read_csr
from hil.scep.http import Transport
from hil.scep.messages import FailInfo, MessageType, PkiStatus, read_message
from hil.scep.register import Register
from hil.scep.signers import chain, challenge, issue
from hil.secret import Secret

SUBJECT = (("O", "Lab"), ("CN", "19WZ1234567A"))


@pytest.fixture
def csr(key: RSAPrivateKey) -> bytes:
    return build_csr(key, SUBJECT, challenge_password=None)


@pytest.fixture
def signer(key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> Certificate:
    return self_signed(read_csr(csr).subject_der, key, clock.now())


def scripted(authority: Authority, clock: ManualClock, *script: Answer, **options: Any) -> CaService:
    return CaService(authority, issue(authority), clock=clock, script=script, **options)


def ask(
    authority: Authority, key: RSAPrivateKey, signer: Certificate, content: bytes,
    kind: MessageType = MessageType.PKCSReq, transaction_id: str = "T1",
) -> bytes:  # fmt: skip
    return build_request(
        kind, content, signer=signer, key=key, recipient=authority.certificate, transaction_id=transaction_id,
        sender_nonce=b"n" * 16,
    )  # fmt: skip


@pytest.mark.parametrize(("capabilities", "kind"), [(("Renewal", "SCEPStandard"), "RenewalReq"), (("SHA-1",), "PKCSReq")])
def test_a_renewal_is_signed_with_the_old_certificate(
    serve: Any, authority: Authority, key: RSAPrivateKey, other_key: RSAPrivateKey, clock: ManualClock,
    capabilities: tuple[str, ...], kind: str,
) -> None:  # fmt: skip
    ledger: list[LedgerEntry] = []
    signer = chain(challenge(Secret("swordfish")), to=issue(authority))
    service = CaService(authority, signer, clock=clock, capabilities=capabilities, ledger=ledger.append)
    first_csr = build_csr(key, SUBJECT, challenge_password=Secret("swordfish"))
    next_csr = build_csr(other_key, SUBJECT, challenge_password=None)
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        first = client.enrol(first_csr, key)
        assert isinstance(first, Issued)
        second = client.renew(next_csr, other_key, (first.certificate, key))
    assert isinstance(second, Issued)
    assert second.certificate.public_key_der == read_csr(next_csr).public_key_der
    assert [entry.message_type for entry in ledger] == ["PKCSReq", kind]


def test_a_renewal_not_signed_with_a_certificate_of_this_ca_is_refused(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, signer: Certificate, clock: ManualClock
) -> None:
    register = Register()
    service = scripted(authority, clock, register=register)
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        first = client.enrol(csr, key)
        assert isinstance(first, Issued)
        by_stranger = client.renew(csr, key, (signer, key))
        by_ca = client.renew(csr, key, (authority.certificate, authority.key))
        register.revoke(first.certificate, clock.now())
        by_revoked = client.renew(csr, key, (first.certificate, key))
    for outcome in (by_stranger, by_ca, by_revoked):
        assert isinstance(outcome, Rejected)
        assert outcome.fail_info is FailInfo.badRequest


def test_get_cert_compares_octets(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, signer: Certificate, clock: ManualClock
) -> None:
    with Transport(serve(scripted(authority, clock))) as transport:
        client = Client(transport, clock=clock)
        server = client.discover()
        issued = client.enrol(csr, key, server=server)
        assert isinstance(issued, Issued)
        holder = (issued.certificate, key)
        assert client.get_cert(issued.certificate.issuer_and_serial, (signer, key), server) == issued.certificate
        assert client.get_cert(authority.certificate.issuer_and_serial, holder, server) == authority.certificate
        for strange in (
            asn1.sequence(authority.certificate.subject_der, asn1.integer(issued.certificate.serial + 1)),
            asn1.sequence(asn1.sequence(), asn1.integer(issued.certificate.serial)),
        ):
            refused = client.get_cert(strange, holder, server)
            assert isinstance(refused, Rejected)
            assert refused.fail_info is FailInfo.badCertId


def test_get_crl_lists_what_was_revoked(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock
) -> None:
    register = Register()
    with Transport(serve(scripted(authority, clock, register=register))) as transport:
        client = Client(transport, clock=clock)
        server = client.discover()
        issued = client.enrol(csr, key, server=server)
        assert isinstance(issued, Issued)
        holder = (issued.certificate, key)
        empty = client.get_crl(issued.certificate, holder, server)
        register.revoke(issued.certificate, clock.now())
        clock.advance(3600)
        full = client.get_crl(issued.certificate, holder, server)
        other = client.get_crl(self_signed(asn1.sequence(), key, clock.now()), holder, server)
    assert isinstance(empty, Crl)
    assert isinstance(full, Crl)
    assert (empty.revoked, empty.number, full.number) == ({}, 1, 2)
    assert full.revoked == {issued.certificate.serial: clock.now() - timedelta(hours=1)}
    assert full.signed_by(authority.certificate)
    assert isinstance(other, Rejected)
    assert other.fail_info is FailInfo.badCertId


def test_a_crl_reads_the_same_to_cryptography(authority: Authority, other_key: RSAPrivateKey, clock: ManualClock) -> None:
    now = clock.now()
    crl = write_crl(
        authority.certificate, authority.key, {5: now, 3: now}, number=7, this_update=now, next_update=now + timedelta(days=7)
    )
    second = x509.load_der_x509_crl(crl.der)
    assert second.is_signature_valid(authority.key.public_key())
    assert [entry.serial_number for entry in second] == [3, 5] == sorted(crl.revoked)
    assert second.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (second.last_update_utc, second.next_update_utc) == (crl.this_update, crl.next_update)
    stranger = self_signed(authority.certificate.subject_der, other_key, now)
    assert not crl.signed_by(stranger)
    touched = read_crl(crl.der[:-1] + bytes((crl.der[-1] ^ 1,)))
    assert not touched.signed_by(authority.certificate)


def test_the_next_ca_is_vouched_for_by_the_current_one(
    serve: Any, authority: Authority, other_key: RSAPrivateKey, clock: ManualClock
) -> None:
    successor = Authority.create("Next CA", clock, ra=True)
    service = scripted(authority, clock, successor=successor)
    stranger = Authority(other_key, self_signed(authority.certificate.subject_der, other_key, clock.now()))
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        server = client.discover()
        assert server.offers("GetNextCACert")
        assert client.next_ca(server) == successor.certificates
        serve(scripted(stranger, clock, successor=successor))
        with pytest.raises(ReplyRefused, match="not signed by the current CA"):
            client.next_ca(server)
    assert b"GetNextCACert" not in scripted(authority, clock).get_ca_caps("")


def test_rollover_lets_the_old_certificates_renew(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock
) -> None:
    successor = Authority.create("Next CA", clock)
    service = CaService(authority, issue(authority), clock=clock, successor=successor)
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        old = client.enrol(csr, key)
        assert isinstance(old, Issued)
        service.roll_over(issue(successor))
        server = client.discover()
        assert server.certificates == successor.certificates
        assert not server.offers("GetNextCACert")
        new = client.renew(csr, key, (old.certificate, key), server=server)
        assert isinstance(new, Issued)
        assert new.certificate.signed_by(successor.certificate)
    with pytest.raises(ScepRefusal, match="no next CA"):
        service.roll_over(issue(successor))


def test_the_chain_of_the_drafts(serve: Any, clock: ManualClock) -> None:
    authority = Authority.create("Issuing", clock, above=Authority.create("Root", clock))
    service = scripted(authority, clock)
    assert service.get_ca_cert_chain("")[0] == "application/x-x509-ca-ra-cert-chain"
    with Transport(serve(service)) as transport:
        assert Client(transport, clock=clock).ca_chain() == authority.certificates


@pytest.mark.parametrize(("tells_why", "text"), [(True, "as scripted"), (False, None)])
def test_fail_info_text(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock, tells_why: bool, text: str | None
) -> None:
    service = scripted(authority, clock, Reject("badTime"), tells_why=tells_why)
    with Transport(serve(service)) as transport:
        outcome = Client(transport, clock=clock).enrol(csr, key)
    assert isinstance(outcome, Rejected)
    assert (outcome.fail_info, outcome.text) == (FailInfo.badTime, text)


def test_a_retransmission_gets_the_first_answer_and_takes_no_entry(
    authority: Authority, key: RSAPrivateKey, csr: bytes, signer: Certificate, clock: ManualClock
) -> None:
    ledger: list[LedgerEntry] = []
    service = scripted(authority, clock, Issue(), Reject("badTime"), ledger=ledger.append)
    message = ask(authority, key, signer, csr)
    with ThreadPoolExecutor(4) as pool:
        replies = set(pool.map(service.pki_operation, [message] * 8))
    assert len(replies) == 1
    assert [entry.answer for entry in ledger].count("SUCCESS") == 1
    assert [entry.problem for entry in ledger].count("the same octets again, answered as before") == 7
    fresh = read_message(service.pki_operation(ask(authority, key, signer, csr)))
    assert fresh.fail_info is FailInfo.badTime


def test_answers_are_kept_in_bounds_and_errors_not_at_all() -> None:
    answered = Answered()
    with pytest.raises(ScepRefusal):
        answered.once(b"x", _refuse)
    assert answered.once(b"x", lambda: b"1") == (b"1", False)
    assert answered.once(b"x", lambda: b"2") == (b"1", True)
    for number in range(MOST_ANSWERS):
        answered.once(b"%d" % number, lambda: b"")
    assert answered.once(b"x", lambda: b"2") == (b"2", False)


def test_who_waits_for_the_same_request_gets_its_error_too() -> None:
    answered, working, go = Answered(), threading.Event(), threading.Event()

    def work() -> bytes:
        working.set()
        assert go.wait(10)
        return _refuse()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answered.once, b"x", work)
        assert working.wait(10)
        second = pool.submit(answered.once, b"x", work)
        go.set()
        for future in (first, second):
            with pytest.raises(ScepRefusal):
                future.result(10)


def test_asking_again_for_what_is_pending_is_a_poll(
    authority: Authority, key: RSAPrivateKey, csr: bytes, signer: Certificate, clock: ManualClock
) -> None:
    service = scripted(authority, clock, Pend(times=2), Issue(), Reject("badTime"))
    answers = [read_message(service.pki_operation(ask(authority, key, signer, csr))).status for _ in range(4)]
    assert answers == [PkiStatus.PENDING, PkiStatus.PENDING, PkiStatus.SUCCESS, PkiStatus.FAILURE]


def test_the_same_octets_are_a_poll_while_they_are_pending_and_a_retransmission_after(
    authority: Authority, key: RSAPrivateKey, csr: bytes, signer: Certificate, clock: ManualClock
) -> None:
    service = scripted(authority, clock, Pend(times=2), Issue(), Reject("badTime"))
    message = ask(authority, key, signer, csr)
    answers = [read_message(service.pki_operation(message)).status for _ in range(4)]
    assert answers == [PkiStatus.PENDING, PkiStatus.PENDING, PkiStatus.SUCCESS, PkiStatus.SUCCESS]


def test_pending_transactions_are_bounded(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ca_module, "MOST_PENDING", 2)
    with Transport(serve(scripted(authority, clock, Pend(), tells_why=True))) as transport:
        client = Client(transport, clock=clock)
        outcomes = [client.enrol(csr, key) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Pending, Pending, Rejected]
    assert isinstance(outcomes[2], Rejected)
    assert outcomes[2].text == "too many requests wait"


def _refuse() -> bytes:
    raise ScepRefusal(400, "no")
