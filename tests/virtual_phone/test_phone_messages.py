"""The phone's SCEP messages against OpenSSL, against recordings of other servers, and against damage."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, core, pem, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.virtual.phone import pkcs10, pkimessage
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.enrolment import Enrolment, signing_digest, takes_post
from hil.virtual.phone.errors import Refused
from hil.virtual.phone.habits import Habits, intact
from hil.virtual.phone.profiles import Profile
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.web import Answer

SENT = pkimessage.Sent("0123456789abcdef", b"n" * 16)
UNIT = Unit("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A", "4.1.3.0.6")
PROFILE = Profile(1, "http://10.0.0.1/scep", 2048, (("C", "US"), ("CN", "19WZ")), "CAIdentifier", "aes256_cbc", False, "pw")


@pytest.fixture(scope="module")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    return pkcs10.generate_key(2048), pkcs10.generate_key(2048)


@pytest.fixture(scope="module")
def ca(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Any:
    return pkcs10.self_signed(pkcs10.name([("O", "Lab"), ("CN", "CA")], False), keys[0], "sha256", 1.8e9)


def openssl(*words: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], input=data, check=True, capture_output=True, timeout=30)


@pytest.mark.parametrize("cipher", ["des", "tripledes_3key", "aes256_cbc"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("names_digest", [False, True])
def test_openssl_opens_a_request(cipher: Any, digest: Any, names_digest: bool, keys: Any, ca: Any, tmp_path: Path) -> None:
    subject = pkcs10.name([("C", "US"), ("O", "Lab & Söhne"), ("CN", "19WZ")], False)
    request = pkcs10.certification_request(subject, keys[1], "pw-$", digest, False, intact)
    signer = pkimessage.Signer(keys[1], pkcs10.self_signed(subject, keys[1], digest, 0.0), digest, names_digest)
    message = pkimessage.build(pkimessage.PKCS_REQ, SENT, request, ca, cipher, signer)
    key, recipient, envelope = tmp_path / "key.pem", tmp_path / "ca.pem", tmp_path / "envelope.der"
    key.write_text(pkcs10.private_key_pem(keys[0]))
    recipient.write_text(pkimessage.pem_of(ca))
    openssl("cms", "-verify", "-inform", "DER", "-noverify", "-binary", "-out", envelope, data=message)
    providers = ("-provider", "legacy", "-provider", "default")
    opened = openssl(
        "cms", "-decrypt", *providers, "-inform", "DER", "-in", envelope, "-inkey", key, "-recip", recipient, "-binary"
    )
    assert opened.stdout == request
    said = openssl("req", "-inform", "DER", "-noout", "-text", "-verify", "-nameopt", "RFC2253,-esc_msb,utf8", data=request)
    assert b"verify OK" in said.stderr + said.stdout
    assert "Subject: CN=19WZ,O=Lab & Söhne,C=US" in said.stdout.decode()
    assert b"pw-$" in said.stdout


def test_without_a_challenge_there_is_no_attribute(keys: Any) -> None:
    request = pkcs10.certification_request(pkcs10.name([("CN", "x")], False), keys[1], None, "sha256", False, intact)
    assert b"challengePassword" not in openssl("req", "-inform", "DER", "-noout", "-text", data=request).stdout


def cert_rep(
    keys: Any,
    ca: Any,
    status: str = pkimessage.SUCCESS,
    sent: pkimessage.Sent = SENT,
    fail_info: str | None = None,
    kind: str = "3",
) -> bytes:
    """A CertRep as a CA signs it, the CA's own certificate standing for the issued one."""
    signer = pkimessage.Signer(keys[0], ca, "sha256", False)
    degenerate = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [],
            "encap_content_info": {"content_type": "data"},
            "certificates": [ca, client(keys)],
            "signer_infos": [],
        }
    )
    bag = cms.ContentInfo({"content_type": "signed_data", "content": degenerate}).dump()
    aes_128: Any = "aes128_cbc"  # which no phone asks for, but a CA may use
    content = pkimessage.envelope(bag, client(keys), aes_128) if status == pkimessage.SUCCESS else b""
    hasher = hashes.Hash(hashes.SHA256())
    hasher.update(content)
    extra = [pkimessage._attribute(pkimessage.FAIL_INFO, core.PrintableString(fail_info))] if fail_info else []
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hasher.finalize()]}),
            pkimessage._attribute(pkimessage.MESSAGE_TYPE, core.PrintableString(kind)),
            pkimessage._attribute(pkimessage.PKI_STATUS, core.PrintableString(status)),
            pkimessage._attribute(pkimessage.TRANSACTION_ID, core.PrintableString(sent.transaction_id)),
            pkimessage._attribute(pkimessage.RECIPIENT_NONCE, core.OctetString(sent.nonce)),
            *extra,
        ]
    )
    info = {
        "version": "v1",
        "sid": pkimessage._identifier(ca),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": pkcs10.signed(signer.key, attributes.dump(), "sha256"),
    }
    inner: dict[str, Any] = {"content_type": "data"}
    if content:
        inner["content"] = content
    signed = {
        "version": "v1",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": inner,
        "certificates": [ca],
        "signer_infos": [cms.SignerInfo(info)],
    }
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump())


def client(keys: Any) -> Any:
    return pkcs10.self_signed(pkcs10.name([("CN", "phone")], False), keys[1], "sha256", 1.8e9)


def test_a_reply_is_opened(keys: Any, ca: Any) -> None:
    reply = pkimessage.read_reply(cert_rep(keys, ca), SENT, [ca], keys[1])
    assert (reply.status, reply.fail_info, len(reply.certificates)) == (pkimessage.SUCCESS, "", 2)


def test_a_refusal_and_a_pending_have_no_content(keys: Any, ca: Any) -> None:
    refused = pkimessage.read_reply(cert_rep(keys, ca, pkimessage.FAILURE, fail_info="3"), SENT, [ca], keys[1])
    assert (refused.status, refused.fail_info, refused.certificates) == (pkimessage.FAILURE, "3", ())
    assert pkimessage.read_reply(cert_rep(keys, ca, pkimessage.PENDING), SENT, [ca], keys[1]).status == pkimessage.PENDING


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sent": pkimessage.Sent(SENT.transaction_id, b"m" * 16)}, "nonce"),
        ({"sent": pkimessage.Sent("another", SENT.nonce)}, "another transaction"),
        ({"status": "9"}, "unknown pkiStatus"),
        ({"kind": "19"}, "not a CertRep"),
    ],
)
def test_a_reply_to_something_else_is_refused(changes: Any, reason: str, keys: Any, ca: Any) -> None:
    with pytest.raises(Refused, match=reason):
        pkimessage.read_reply(cert_rep(keys, ca, **changes), SENT, [ca], keys[1])


def test_a_reply_of_another_ca_is_refused(keys: Any, ca: Any) -> None:
    impostor = pkcs10.self_signed(ca.subject, keys[1], "sha256", 1.8e9)
    with pytest.raises(Refused, match="not signed by the CA"):
        pkimessage.read_reply(cert_rep(keys, ca), SENT, [impostor], keys[1])


@pytest.fixture(scope="module")
def success(keys: Any, ca: Any) -> bytes:
    return cert_rep(keys, ca)


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_reply_is_refused_or_read(data: st.DataObject, success: bytes, keys: Any, ca: Any) -> None:
    body = bytearray(success)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))]) if data.draw(st.booleans()) else bytes(body)
    for read in (lambda: pkimessage.read_reply(cut, SENT, [ca], keys[1]), lambda: pkimessage.read_certificates(cut)):
        try:
            read()
        except Refused:
            continue


def test_replies_of_other_servers(vectors: Path) -> None:
    opened, problems = 0, []
    for entry in json.loads((vectors / "manifest.json").read_text()):
        attributes = entry.get("attrs", {})
        path = vectors / entry["file"]
        if attributes.get("messageType", ["", ""])[1] != "3" or not entry["file"].startswith("lab/"):
            continue
        body = path.read_bytes()
        signers = [choice.chosen for choice in cms.ContentInfo.load(body)["content"]["certificates"]]
        sent = pkimessage.Sent(attributes["transactionID"][1], bytes.fromhex(attributes["recipientNonce"][1]))
        for file in path.parent.glob("key_*"):
            key = serialization.load_pem_private_key(file.read_bytes(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            try:
                reply = pkimessage.read_reply(body, sent, signers, key)
            except Refused as problem:
                problems.append(f"{entry['file']}: {problem}")
                continue
            assert reply.status == attributes["pkiStatus"][1]
            opened += 1
            break
    assert opened >= 16
    # Whose key a reply is for is not recorded; everything before the envelope has to hold.
    assert [each for each in problems if re.search("signed|digest|nonce|transaction|status", each)] == []


def test_what_the_capabilities_decide() -> None:
    assert signing_digest(frozenset({"sha-1", "aes"})) == "sha1"
    assert signing_digest(frozenset({"scepstandard"})) == signing_digest(frozenset({"sha-256"})) == "sha256"
    assert takes_post(frozenset({"postpkioperation"}))
    assert not takes_post(frozenset({"sha-256"}))


class PendingCa:
    """Says PENDING until the second poll, then issues."""

    def __init__(self, keys: Any, ca: Any) -> None:
        self._keys, self._ca = keys, ca
        self.seen: list[tuple[str, str, bytes]] = []

    def exchange(self, url: str, _agent: str, body: bytes | None) -> Answer:
        if body is None:
            return Answer(200, "", self._ca.dump()) if "GetCACert" in url else Answer(200, "", b"POSTPKIOperation\r\nSHA-256")
        info = cms.ContentInfo.load(body)["content"]["signer_infos"][0]
        attributes = {each["type"].dotted: each["values"][0] for each in info["signed_attrs"]}
        kind = pkimessage._text(attributes, pkimessage.MESSAGE_TYPE)
        nonce = attributes[pkimessage.SENDER_NONCE].parse(core.OctetString).native
        sent = pkimessage.Sent(pkimessage._text(attributes, pkimessage.TRANSACTION_ID), nonce)
        self.seen.append((kind, sent.transaction_id, nonce))
        status = pkimessage.SUCCESS if len(self.seen) == 3 else pkimessage.PENDING
        return Answer(200, "", cert_rep(self._keys, self._ca, status, sent))


def test_a_pending_request_is_polled(keys: Any, ca: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkcs10, "generate_key", lambda _bits: keys[1])
    server = PendingCa(keys, ca)
    enrolment = Enrolment(PROFILE, UNIT, Habits(), Clock(1.0), server.exchange)
    assert enrolment.begin() is None
    assert enrolment.poll() is None
    stored = enrolment.poll()
    assert stored is not None
    own = pkcs10.public_key_info(keys[1])
    assert x509.Certificate.load(pem.unarmor(stored.certificate.encode())[2]).public_key.dump() == own
    assert "PRIVATE" not in repr(stored)
    kinds, identities, nonces = zip(*server.seen, strict=True)
    assert kinds == (pkimessage.PKCS_REQ, pkimessage.CERT_POLL, pkimessage.CERT_POLL)
    assert len(set(identities)) == 1
    assert len(set(nonces)) == 3
