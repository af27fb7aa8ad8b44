"""The CAs that the bench plays: who gets a certificate, in which form, and what their HTTP refuses."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.clock import ManualClock
from hil.errors import Misuse
from hil.scenario import Issue, Pend
from hil.scep.authority import Authority, self_signed
from hil.scep.build import build_request
from hil.scep.ca import CaService
from hil.scep.client import Client, Issued, Outcome, Pending, Rejected
from hil.scep.crl import Crl
from hil.scep.csr import build_csr, read_csr
from hil.scep.endpoint import Endpoint
from hil.scep.http import ScepHttpError, Transport
from hil.scep.messages import FailInfo, MessageType, PkiMessage, read_certificates, read_message
from hil.scep.personas import PERSONAS, Admission, Persona, persona
from hil.scep.signers import EndEntities, OneTimeChallenges
from hil.secret import Secret

NAME = "19WZ1234567A"
SUBJECT = (("O", "Lab"), ("CN", NAME))
PASSWORD = Secret("swordfish")
# Cipher and digest of the reply to a request in AES-128 and SHA-256.
REPLIES = {
    "rfc8894": ("aes-128-cbc", "sha256"),
    "ejbca": ("des-cbc", "sha1"),
    "system-manager": ("des-cbc", "sha1"),
    "ndes": ("aes-128-cbc", "sha256"),
    "draft": ("des-cbc", "md5"),
    "modern": ("aes-256-cbc", "sha512"),
}


@dataclass(frozen=True)
class Stage:
    """A persona on a URL, with a client before it."""

    persona: Persona
    authority: Authority
    admission: Admission
    service: CaService
    endpoint: Endpoint
    client: Client
    password: Secret


@pytest.fixture
def play(serve: Any, clock: ManualClock) -> Any:
    @contextmanager
    def playing(name: str, **options: Any) -> Iterator[Stage]:
        who = persona(name)
        authority = who.authority("Played CA", clock, **{key: options.pop(key) for key in ("ra", "levels") if key in options})
        admission = Admission(PASSWORD, EndEntities(passwords={NAME: PASSWORD}), OneTimeChallenges())
        service = who.service(authority, admission, clock=clock, **options)
        endpoint = who.endpoint(service)
        password = admission.one_time.new(clock.now()) if name == "ndes" else PASSWORD
        with Transport(serve(endpoint)) as transport:
            yield Stage(who, authority, admission, service, endpoint, Client(transport, clock=clock), password)

    return playing


def enrol(stage: Stage, key: RSAPrivateKey, password: Secret | None) -> Outcome:
    csr = build_csr(key, SUBJECT, challenge_password=password)
    return stage.client.enrol(csr, key, identifier="CAIdentifier")


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("ra", [False, True])
@pytest.mark.parametrize("name", PERSONAS)
def test_each_persona_issues_over_http(play: Any, key: RSAPrivateKey, name: str, ra: bool, levels: int) -> None:
    with play(name, ra=ra, levels=levels) as stage:
        outcome = enrol(stage, key, stage.password)
        assert isinstance(outcome, Issued)
        assert outcome.certificate.signed_by(stage.authority.certificate)
        assert len(outcome.chain) == (0 if levels == 1 else 2)
        _, body = stage.service.get_ca_cert("CAIdentifier")
    assert len(read_certificates(body)) == levels + (0 if not ra else 2 if name == "ndes" else 1)


@pytest.mark.parametrize("name", PERSONAS)
def test_each_persona_names_its_source_and_refuses_a_wrong_password(play: Any, key: RSAPrivateKey, name: str) -> None:
    with play(name) as stage:
        assert len(stage.persona.source) > 40
        for password in (Secret("wrong"), None):
            outcome = enrol(stage, key, password)
            assert isinstance(outcome, Rejected)
            assert outcome.fail_info is FailInfo.badRequest
            assert (outcome.text is not None) is (name in ("rfc8894", "modern"))
        assert isinstance(enrol(stage, key, stage.password), Issued)


@pytest.mark.parametrize("name", PERSONAS)
def test_replies_have_the_personas_cipher_and_digest(play: Any, key: RSAPrivateKey, clock: ManualClock, name: str) -> None:
    with play(name) as stage:
        reply = _ask(stage, key, clock)
    assert (reply.content_cipher, reply.digest) == REPLIES[name]


@pytest.mark.parametrize("name", PERSONAS)
def test_what_is_no_success_has_no_content_or_an_empty_one(play: Any, key: RSAPrivateKey, clock: ManualClock, name: str) -> None:
    with play(name, script=[Pend(), Issue()]) as stage:
        reply = _ask(stage, key, clock)
    assert ("empty content where there should be none" in reply.notes) is (name in ("ejbca", "system-manager"))


@pytest.mark.parametrize("name", ["ejbca", "system-manager"])
def test_an_end_entity_must_be_new_for_renewal_too(play: Any, key: RSAPrivateKey, name: str) -> None:
    with play(name) as stage:
        first = enrol(stage, key, PASSWORD)
        assert isinstance(first, Issued)
        assert isinstance(enrol(stage, key, PASSWORD), Rejected)
        outcomes = []
        for ready, password in ((False, PASSWORD), (True, None), (True, PASSWORD)):
            if ready:
                stage.admission.entities.set_new(NAME)
            csr = build_csr(key, SUBJECT, challenge_password=password)
            renewed = stage.client.renew(csr, key, (first.certificate, key), identifier="CAIdentifier")
            outcomes.append(type(renewed))
    assert outcomes == [Rejected, Rejected, Issued]


@pytest.mark.parametrize("name", ["ejbca", "system-manager"])
def test_an_unknown_end_entity_is_refused(play: Any, key: RSAPrivateKey, name: str) -> None:
    with play(name) as stage:
        csr = build_csr(key, (("CN", "another"),), challenge_password=PASSWORD)
        assert isinstance(stage.client.enrol(csr, key, identifier="CAIdentifier"), Rejected)


@pytest.mark.parametrize("name", PERSONAS)
def test_all_give_a_crl_and_all_but_ejbca_a_certificate(play: Any, key: RSAPrivateKey, name: str) -> None:
    with play(name) as stage:
        issued = enrol(stage, key, stage.password)
        assert isinstance(issued, Issued)
        server = stage.client.discover("CAIdentifier")
        assert isinstance(stage.client.get_crl(issued.certificate, (issued.certificate, key), server), Crl)
        found = stage.client.get_cert(issued.certificate.issuer_and_serial, (issued.certificate, key), server)
        assert (found == issued.certificate) is (name not in ("ejbca", "system-manager"))


@pytest.mark.parametrize("name", ["ejbca", "system-manager"])
def test_ejbca_wants_the_cas_name(play: Any, name: str) -> None:
    with play(name) as stage:
        for operation in ("GetCACaps", "GetCACert", "GetCACertChain"):
            assert stage.endpoint.answer("GET", f"/scep?operation={operation}").status == 400
            assert stage.endpoint.answer("GET", f"/scep?operation={operation}&message=other").status == 404
            assert stage.endpoint.answer("GET", f"/scep?operation={operation}&message=CAIdentifier").status == 200
        with pytest.raises(ScepHttpError) as caught:
            stage.client.discover("other")
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["rfc8894", "ndes", "draft", "modern"])
def test_the_others_take_any_name_or_none(play: Any, name: str) -> None:
    with play(name) as stage:
        for query in ("", "&message=", "&message=other"):
            assert stage.endpoint.answer("GET", f"/scep?operation=GetCACert{query}").status == 200


def test_ndes_passwords_serve_once_for_an_hour_and_five_at_most(play: Any, key: RSAPrivateKey, clock: ManualClock) -> None:
    with play("ndes") as stage:
        first = enrol(stage, key, stage.password)
        assert isinstance(first, Issued)
        assert isinstance(enrol(stage, key, stage.password), Rejected)
        late = stage.admission.one_time.new(clock.now())
        clock.advance(timedelta(hours=1).total_seconds())
        assert isinstance(enrol(stage, key, late), Rejected)
        csr = build_csr(key, SUBJECT, challenge_password=None)
        assert isinstance(stage.client.renew(csr, key, (first.certificate, key)), Issued)
    handed_out = OneTimeChallenges()
    assert len({handed_out.new(clock.now()) for _ in range(5)}) == 5
    with pytest.raises(Misuse, match="5 one-time passwords"):
        handed_out.new(clock.now())
    clock.advance(3600)
    handed_out.new(clock.now())


def test_ndes_signs_with_one_ra_certificate_and_receives_with_the_other(
    play: Any, key: RSAPrivateKey, clock: ManualClock, tmp_path: Any
) -> None:
    with play("ndes") as stage:
        ra = stage.authority.ra
        assert ra is not None
        assert ra.receiver is not None
        server = stage.client.discover()
        assert server.encryption_certificate == ra.receiver.certificate
        assert server.ca == stage.authority.certificate
        assert _ask(stage, key, clock).signer == ra.certificate
        stage.authority.save(tmp_path)
    assert Authority.load(tmp_path).certificates == stage.authority.certificates
    assert Authority.load(tmp_path).receiver_key.private_numbers() == ra.receiver.key.private_numbers()


@pytest.mark.parametrize(("name", "refused", "taken"), [("draft", "POST", "GET"), ("modern", "GET", "POST")])
def test_methods_that_a_persona_has_not(
    play: Any, server: Any, key: RSAPrivateKey, clock: ManualClock, name: str, refused: str, taken: str
) -> None:
    with play(name) as stage:
        message = _request(stage, key, clock)
        query = "/scep?operation=PKIOperation"
        as_get = f"{query}&message={quote(base64.b64encode(message), safe='')}"
        replies = {"GET": stage.endpoint.answer("GET", as_get), "POST": stage.endpoint.answer("POST", query, message)}
        assert (replies[refused].status, replies[taken].status) == (405, 200)
        view = stage.client.discover()
        assert view.takes_post is (taken == "POST")
        wrong = replace(view, capabilities=("POSTPKIOperation", "SHA-256", "AES") if refused == "POST" else ("SHA-256", "AES"))
        csr = build_csr(key, SUBJECT, challenge_password=PASSWORD)
        with pytest.raises(ScepHttpError) as caught:
            stage.client.enrol(csr, key, server=wrong)
        assert caught.value.status == 405
    assert server.seen[-1][0] == refused


def test_the_draft_has_no_capabilities_but_a_chain(play: Any, key: RSAPrivateKey) -> None:
    with play("draft", levels=2) as stage:
        assert stage.endpoint.answer("GET", "/scep?operation=GetCACaps").status == 404
        view = stage.client.discover()
        assert (view.capabilities, view.digest, view.cipher) == ((), "sha1", "des-cbc")
        assert stage.client.ca_chain() == stage.authority.certificates


@pytest.mark.parametrize(("digest", "cipher"), [("sha1", "aes-128-cbc"), ("sha256", "des-ede3-cbc"), ("md5", "des-cbc")])
def test_modern_takes_nothing_weak(play: Any, key: RSAPrivateKey, clock: ManualClock, digest: str, cipher: str) -> None:
    with play("modern") as stage:
        assert _ask(stage, key, clock, digest=digest, cipher=cipher).fail_info is FailInfo.badAlg
        short = rsa.generate_private_key(65537, 1024)
        assert _ask(stage, short, clock).fail_info is FailInfo.badRequest
        assert isinstance(enrol(stage, key, PASSWORD), Issued)


def test_a_persona_follows_a_script_and_shows_its_successor(play: Any, key: RSAPrivateKey, clock: ManualClock) -> None:
    successor = Authority.create("Next", clock)
    with play("rfc8894", script=(Pend(), Issue()), successor=successor) as stage:
        waiting = enrol(stage, key, PASSWORD)
        assert isinstance(waiting, Pending)
        assert isinstance(stage.client.poll(waiting), Issued)
        assert stage.client.next_ca(stage.client.discover()) == successor.certificates
    with play("ndes", successor=successor) as stage:
        assert stage.endpoint.answer("GET", "/scep?operation=GetNextCACert").status == 404


def test_the_endpoint_notes_what_a_get_needed(play: Any, key: RSAPrivateKey, clock: ManualClock) -> None:
    with play("rfc8894") as stage:
        text = base64.urlsafe_b64encode(_request(stage, key, clock)).decode().rstrip("=")
        reply = stage.endpoint.answer("GET", f"/scep?operation=PKIOperation&message={text}")
        assert reply.status == 200
        assert "the base64 is in its URL alphabet" in reply.notes
        assert stage.endpoint.answer("GET", "/scep?operation=PKIOperation&message=%21").status == 400
        assert stage.endpoint.answer("GET", "/scep?operation=Other").status == 400


def test_an_unknown_persona_is_misuse() -> None:
    with pytest.raises(Misuse, match="use one of rfc8894, ejbca, system-manager, ndes, draft, modern"):
        persona("dogtag")


def _request(
    stage: Stage, key: RSAPrivateKey, clock: ManualClock, *, digest: str = "sha256", cipher: str = "aes-128-cbc"
) -> bytes:
    csr = build_csr(key, SUBJECT, challenge_password=stage.password, digest=digest)
    ra = stage.authority.ra
    return build_request(
        MessageType.PKCSReq,
        csr,
        signer=self_signed(read_csr(csr).subject_der, key, clock.now()),
        key=key,
        recipient=(ra.receiver or ra).certificate if ra else stage.authority.certificate,
        transaction_id="T1",
        sender_nonce=b"n" * 16,
        digest=digest,
        cipher=cipher,
    )


def _ask(stage: Stage, key: RSAPrivateKey, clock: ManualClock, **options: str) -> PkiMessage:
    return read_message(stage.service.pki_operation(_request(stage, key, clock, **options)), keys=(key,))
