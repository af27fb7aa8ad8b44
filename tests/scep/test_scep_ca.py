"""The CA service by itself, and client and CA together over a real socket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7

from hil import asn1
from hil.clock import ManualClock
from hil.errors import Misuse
from hil.scenario import Answer, Issue, Pend, Reject
from hil.scep import build, cms
from hil.scep.algorithms import CIPHERS
from hil.scep.authority import Authority, self_signed
from hil.scep.beside import Beside
from hil.scep.ca import CaService, LedgerEntry, ScepRefusal, ScriptedReply
from hil.scep.certificate import Certificate
from hil.scep.client import Client, Issued, Pending, Rejected, ReplyRefused, ServerView
from hil.scep.csr import build_csr, read_csr
from hil.scep.http import ScepHttpError, Transport, TransportFault
from hil.scep.messages import FailInfo, MessageType, PkiStatus, read_certificates, read_message
from hil.scep.signers import EndEntities, Signer, chain, challenge, end_entity, issue, policy
from hil.secret import Secret

SUBJECT = (("C", "US"), ("O", "Lab"), ("CN", "19WZ1234567A"))
PASSWORD = Secret("19WZ1234567A")


@pytest.fixture
def ledger() -> list[LedgerEntry]:
    return []


@pytest.fixture
def signer(authority: Authority) -> Signer:
    return chain(challenge(PASSWORD), policy(key_bits={2048, 4096}), to=issue(authority))


@pytest.fixture
def service(authority: Authority, signer: Signer, clock: ManualClock, ledger: list[LedgerEntry]) -> CaService:
    return CaService(authority, signer, clock=clock, ledger=ledger.append)


@pytest.fixture
def csr(key: RSAPrivateKey) -> bytes:
    return build_csr(key, SUBJECT, challenge_password=PASSWORD)


def scripted(authority: Authority, clock: ManualClock, *script: Answer, **options: Any) -> CaService:
    return CaService(authority, issue(authority), clock=clock, script=script, **options)


@pytest.mark.parametrize("post", [True, False])
def test_enrolment_over_http(
    server: Any, serve: Any, service: CaService, authority: Authority, key: RSAPrivateKey, csr: bytes,
    clock: ManualClock, ledger: list[LedgerEntry], post: bool,
) -> None:  # fmt: skip
    if not post:
        service = CaService(authority, issue(authority), clock=clock, capabilities=("AES", "SHA-256"), ledger=ledger.append)
    with Transport(serve(service), local_address="127.0.0.1") as transport:
        outcome = Client(transport, clock=clock).enrol(csr, key, identifier="CAIdentifier")
    assert isinstance(outcome, Issued)
    issued = outcome.certificate
    assert issued.subject == "CN=19WZ1234567A,O=Lab,C=US"
    assert issued.signed_by(authority.certificate)
    assert (issued.not_before, issued.not_after) == (clock.now(), clock.now() + timedelta(days=365))
    requests = [(method, path.partition("?")[2].partition("&message=")) for method, path in server.seen]
    assert requests[0] == ("GET", ("operation=GetCACaps", "&message=", "CAIdentifier"))
    assert requests[1] == ("GET", ("operation=GetCACert", "&message=", "CAIdentifier"))
    method, (operation, _, message) = requests[2]
    assert (method, operation) == ("POST" if post else "GET", "operation=PKIOperation")
    assert not set(message) & set("+/=")
    assert bool(unquote(message)) is not post
    (entry,) = ledger
    assert (entry.answer, entry.message_type, entry.transaction_id) == ("SUCCESS", "PKCSReq", outcome.transaction_id)
    assert (entry.serial, entry.issued_der, entry.subject) == (f"{issued.serial:x}", issued.der, issued.subject)


def test_what_is_issued_is_a_valid_certificate(authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    request = read_csr(csr)
    issued = authority.issue(request, not_before=clock.now(), not_after=clock.now() + timedelta(days=1))
    second = x509.load_der_x509_certificate(issued.der)
    second.verify_directly_issued_by(x509.load_der_x509_certificate(authority.certificate.der))
    assert second.public_key() == key.public_key()
    usage = second.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    assert second.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    above = x509.load_der_x509_certificate(authority.certificate.der).extensions
    expected = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        above.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    assert second.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == expected
    assert above.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_replies_take_cipher_and_digest_of_the_request(
    service: CaService, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock, cipher: str, digest: str
) -> None:
    reply = read_message(service.pki_operation(request(authority, key, csr, clock, cipher=cipher, digest=digest)), keys=(key,))
    assert (reply.content_cipher, reply.digest, reply.status) == (cipher, digest, PkiStatus.SUCCESS)
    assert reply.recipient_nonce == b"n" * 16


def test_configured_cipher_and_digest_override(authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    service = scripted(authority, clock, cipher="des-cbc", digest="sha1", include_chain=True)
    reply = read_message(service.pki_operation(request(authority, key, csr, clock)), keys=(key,))
    assert (reply.content_cipher, reply.digest, len(reply.issued)) == ("des-cbc", "sha1", 2)


def test_backdated_certificates(authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    service = scripted(authority, clock, Issue(days=365, backdated=328))
    (issued,) = read_message(service.pki_operation(request(authority, key, csr, clock)), keys=(key,)).issued
    assert issued.not_before == clock.now() - timedelta(days=328)
    assert issued.not_after == issued.not_before + timedelta(days=365)


def test_pending_is_polled_to_its_answer(
    serve: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock, ledger: list[LedgerEntry]
) -> None:
    service = scripted(authority, clock, Pend(times=2), Issue(), Reject("badTime"), ledger=ledger.append)
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        first = client.enrol(csr, key)
        assert isinstance(first, Pending)
        second = client.poll(first)
        assert isinstance(second, Pending)
        third = client.poll(second)
        assert isinstance(third, Issued)
        assert first.transaction_id == second.transaction_id == third.transaction_id
        assert client.poll(second) == Rejected(FailInfo.badRequest, None, first.transaction_id)
        last = client.enrol(csr, key)
    assert isinstance(last, Rejected)
    assert last.fail_info is FailInfo.badTime
    assert [entry.answer for entry in ledger] == ["PENDING", "PENDING", "SUCCESS", "FAILURE", "FAILURE"]
    assert [entry.message_type for entry in ledger][:3] == ["PKCSReq", "CertPoll", "CertPoll"]


def test_threads_share_one_script(
    authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock, ledger: list[LedgerEntry]
) -> None:
    script = (Issue(), Reject("badTime")) * 10
    service = scripted(authority, clock, *script, ledger=ledger.append)
    messages = [request(authority, key, csr, clock) for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(service.pki_operation, messages))
    assert sorted(entry.answer or "" for entry in ledger) == ["FAILURE"] * 10 + ["SUCCESS"] * 10
    assert len({entry.serial for entry in ledger if entry.serial}) == 10


def test_a_poll_by_another_key_gets_nothing(
    authority: Authority, key: RSAPrivateKey, other_key: RSAPrivateKey, csr: bytes, clock: ManualClock
) -> None:
    service = scripted(authority, clock, Pend(), Issue())
    service.pki_operation(request(authority, key, csr, clock))
    content = build.issuer_and_subject(authority.certificate.subject_der, read_csr(csr).subject_der)
    poll = request(authority, other_key, csr, clock, message_type=MessageType.CertPoll, content=content)
    reply = read_message(service.pki_operation(poll))
    assert (reply.status, reply.fail_info) == (PkiStatus.FAILURE, FailInfo.badRequest)


@pytest.mark.parametrize(("password", "problem"), [(None, "missing"), (Secret("wrong"), "wrong")])
def test_a_wrong_challenge_is_refused_and_not_told(
    service: CaService, authority: Authority, key: RSAPrivateKey, clock: ManualClock, ledger: list[LedgerEntry],
    password: Secret | None, problem: str,
) -> None:  # fmt: skip
    csr = build_csr(key, SUBJECT, challenge_password=password)
    reply = read_message(service.pki_operation(request(authority, key, csr, clock)))
    assert (reply.status, reply.fail_info, reply.content_cipher) == (PkiStatus.FAILURE, FailInfo.badRequest, None)
    assert ledger[0].problem == f"challengePassword {problem}"
    assert PASSWORD.reveal() not in str(ledger[0].problem)


def test_policy_refuses_short_keys(service: CaService, authority: Authority, clock: ManualClock) -> None:
    short = rsa.generate_private_key(65537, 1024)
    csr = build_csr(short, SUBJECT, challenge_password=PASSWORD)
    reply = read_message(service.pki_operation(request(authority, short, csr, clock)))
    assert reply.fail_info is FailInfo.badRequest


def test_an_end_entity_serves_once(authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    entities = EndEntities({"19WZ1234567A"})
    service = CaService(authority, chain(end_entity(entities), to=issue(authority)), clock=clock)
    answers = []
    for _ in range(2):
        answers.append(read_message(service.pki_operation(request(authority, key, csr, clock))).status)
    entities.set_new("19WZ1234567A")
    answers.append(read_message(service.pki_operation(request(authority, key, csr, clock))).status)
    assert answers == [PkiStatus.SUCCESS, PkiStatus.FAILURE, PkiStatus.SUCCESS]


def test_renewal_needs_no_challenge_but_a_certificate_of_this_ca(
    serve: Any, service: CaService, authority: Authority, key: RSAPrivateKey, other_key: RSAPrivateKey, csr: bytes,
    clock: ManualClock,
) -> None:  # fmt: skip
    renewal = build_csr(other_key, SUBJECT, challenge_password=None)
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        first = client.enrol(csr, key)
        assert isinstance(first, Issued)
        signer = (first.certificate, key)
        second = client.enrol(renewal, other_key, signer=signer, message_type=MessageType.RenewalReq)
        stranger = self_signed(read_csr(csr).subject_der, key, clock.now())
        third = client.enrol(renewal, other_key, signer=(stranger, key))
    assert isinstance(second, Issued)
    assert second.certificate.public_key_der == read_csr(renewal).public_key_der
    assert isinstance(third, Rejected)
    assert third.fail_info is FailInfo.badMessageCheck


def test_decryption_errors_are_told_apart_by_nobody(
    service: CaService, authority: Authority, key: RSAPrivateKey, other_key: RSAPrivateKey, csr: bytes, clock: ManualClock
) -> None:
    other = self_signed(authority.certificate.subject_der, other_key, clock.now())
    unsealed = request(authority, key, csr, clock, recipient=other)
    garbled = request(authority, key, b"not a structure", clock)
    answers = {(m.status, m.fail_info) for m in (read_message(service.pki_operation(d)) for d in (unsealed, garbled))}
    assert answers == {(PkiStatus.FAILURE, FailInfo.badMessageCheck)}


def test_bad_messages(service: CaService, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    with pytest.raises(ScepRefusal, match="HTTP 400"):
        service.pki_operation(b"garbage")
    broken = request(authority, key, csr, clock)
    reply = read_message(service.pki_operation(broken[:-1] + bytes((broken[-1] ^ 1,))))
    assert reply.fail_info is FailInfo.badMessageCheck
    crl = request(authority, key, csr, clock, message_type=MessageType.GetCRL)
    assert read_message(service.pki_operation(crl)).fail_info is FailInfo.badRequest


def test_identifier_ra_and_chain(serve: Any, key: RSAPrivateKey, csr: bytes, clock: ManualClock) -> None:
    root = Authority.create("Root", clock)
    authority = Authority.create("Issuing", clock, ra=True, above=root)
    service = scripted(authority, clock, identifier="lab")
    content_type, body = service.get_ca_cert("lab")
    assert content_type == "application/x-x509-ca-ra-cert"
    assert read_certificates(body) == authority.certificates
    assert len(authority.certificates) == 3
    for operation in (service.get_ca_cert, service.get_ca_caps, service.get_next_ca_cert):
        with pytest.raises(ScepRefusal, match="identifier"):
            operation("other")
    with Transport(serve(service)) as transport:
        client = Client(transport, clock=clock)
        view = client.discover("lab")
        assert authority.ra is not None
        assert (view.ca, view.encryption_certificate) == (authority.certificate, authority.ra.certificate)
        outcome = client.enrol(csr, key, server=view)
        assert isinstance(outcome, Issued)
        assert outcome.certificate.signed_by(authority.certificate)
        with pytest.raises(ScepHttpError) as caught:
            client.discover("other")
    assert caught.value.status == 404


def test_next_ca(authority: Authority, clock: ManualClock) -> None:
    with pytest.raises(ScepRefusal, match="no next CA"):
        scripted(authority, clock).get_next_ca_cert("")
    successor = Authority.create("Next", clock)
    content_type, body = scripted(authority, clock, successor=successor).get_next_ca_cert("")
    assert content_type == "application/x-x509-next-ca-cert"
    assert read_message(body).signature_valid
    inner = cms.read_signed_data(asn1.read(body)).content
    assert inner is not None
    assert read_certificates(inner) == (successor.certificate,)


def test_authority_is_saved_with_its_keys_closed(tmp_path: Path, clock: ManualClock) -> None:
    authority = Authority.create("Issuing", clock, ra=True, above=Authority.create("Root", clock))
    authority.save(tmp_path / "ca")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "ca").glob("*.key")} == {0o600}
    loaded = Authority.load(tmp_path / "ca")
    assert loaded.certificates == authority.certificates
    for mine, theirs in ((authority.key, loaded.key), (authority.speaker[0], loaded.speaker[0])):
        assert mine.private_numbers() == theirs.private_numbers()
    (tmp_path / "ca" / "ca.key").write_text("no key")
    with pytest.raises(Misuse, match=r"ca\.key"):
        Authority.load(tmp_path / "ca")


class _Replay:
    """A CA that answers every request with what a function makes of the right reply."""

    def __init__(self, service: CaService, change: Any) -> None:
        self._service, self._change = service, change
        self.get_ca_caps, self.get_ca_cert = service.get_ca_caps, service.get_ca_cert

    def answer(self, message: bytes, beside: Beside) -> ScriptedReply:
        reply = self._service.answer(message, beside)
        return replace(reply, cert_rep=self._change(reply.cert_rep, message))


def test_the_client_refuses_replies_that_do_not_fit(
    serve: Any, service: CaService, authority: Authority, key: RSAPrivateKey, other_key: RSAPrivateKey, csr: bytes,
    clock: ManualClock,
) -> None:  # fmt: skip
    stranger = Authority(other_key, self_signed(authority.certificate.subject_der, other_key, clock.now()))

    def pending(request: bytes, signer: Authority = authority, **changes: Any) -> bytes:
        asked = read_message(request)
        fields = {"transaction_id": asked.transaction_id, "recipient_nonce": asked.sender_nonce} | changes
        return build.build_cert_rep(PkiStatus.PENDING, signer=signer.certificate, key=signer.key, **fields)

    cases = {
        "recipientNonce": lambda _, request: pending(request, recipient_nonce=b"stale" * 3),
        "transactionID": lambda _, request: pending(request, transaction_id="other"),
        "none of the CA's certificates": lambda _, request: pending(request, signer=stranger),
        "signature": lambda reply, _: reply[:-1] + bytes((reply[-1] ^ 1,)),
        "no pkiMessage": lambda *_: b"<html>",
        "no CertRep": lambda _, request: request,
        "without a certificate for the key": lambda _, request: _without_leaf(authority, request),
    }
    for words, change in cases.items():
        with Transport(serve(_Replay(service, change))) as transport, pytest.raises(ReplyRefused, match=words):
            Client(transport, clock=clock).enrol(csr, key)
    with Transport(serve(_Replay(service, lambda _, request: pending(request)))) as transport:
        assert isinstance(Client(transport, clock=clock).enrol(csr, key), Pending)


def _without_leaf(authority: Authority, request: bytes) -> bytes:
    asked = read_message(request)
    assert asked.transaction_id is not None
    assert asked.sender_nonce is not None
    return build.build_cert_rep(
        PkiStatus.SUCCESS,
        transaction_id=asked.transaction_id,
        recipient_nonce=asked.sender_nonce,
        signer=authority.certificate,
        key=authority.key,
        issued=(authority.certificate,),
        recipient=asked.signer,
    )


def test_http_errors_and_silence_are_outcomes_of_their_own(
    serve: Any, server: Any, authority: Authority, key: RSAPrivateKey, csr: bytes, clock: ManualClock
) -> None:
    def refuse(reply: bytes, request: bytes) -> bytes:
        raise ScepRefusal(500, "crypto/rsa: decryption error")

    with Transport(serve(_Replay(scripted(authority, clock), refuse))) as transport:
        with pytest.raises(ScepHttpError, match="decryption error") as caught:
            Client(transport, clock=clock).enrol(csr, key)
        assert caught.value.status == 500
    with Transport("http://127.0.0.1:9/scep", timeout=5) as transport, pytest.raises(TransportFault, match="no answer"):
        transport.get_ca_caps("")


def test_best_offered(authority: Authority) -> None:
    def view(*capabilities: str) -> ServerView:
        return ServerView(capabilities, (authority.certificate,))

    assert (view().digest, view().cipher, view().takes_post) == ("sha1", "des-cbc", False)
    assert (view("scepstandard").digest, view("scepstandard").cipher) == ("sha256", "aes-128-cbc")
    assert view("SCEPStandard").takes_post
    assert (view("DES3", "sha-512", "x-unknown").digest, view("DES3").cipher) == ("sha512", "des-ede3-cbc")


def request(
    authority: Authority,
    key: RSAPrivateKey,
    csr: bytes,
    clock: ManualClock,
    *,
    cipher: str = "aes-128-cbc",
    digest: str = "sha256",
    message_type: MessageType = MessageType.PKCSReq,
    content: bytes | None = None,
    recipient: Certificate | None = None,
) -> bytes:
    """A request of the transaction T1 signed with a fresh self-signed certificate."""
    return build.build_request(
        message_type,
        content or csr,
        signer=self_signed(b"\x30\0", key, clock.now()),
        key=key,
        recipient=recipient or authority.certificate,
        transaction_id="T1",
        sender_nonce=b"n" * 16,
        digest=digest,
        cipher=cipher,
    )


def test_cryptography_reads_the_degenerate(authority: Authority) -> None:
    (loaded,) = pkcs7.load_der_pkcs7_certificates(build.degenerate((authority.certificate,)))
    assert loaded.subject.rfc4514_string() == authority.certificate.subject
