"""Messages of our own: round trips, wrong keys, hostile octets, other readers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil import asn1
from hil.asn1 import Malformed
from hil.scep import algorithms, build, cms
from hil.scep.authority import Authority, to_pem
from hil.scep.certificate import Certificate, leaf_for, read_certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.messages import (
    FailInfo,
    MessageType,
    PkiStatus,
    read_capabilities,
    read_certificates,
    read_message,
)
from hil.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = (("C", "US"), ("O", "Lab, Inc."), ("CN", "19WZ1234567A"))
NONCE = bytes(range(16))
Make = Callable[..., bytes]


@pytest.mark.parametrize("cipher", algorithms.CIPHERS)
@pytest.mark.parametrize("digest", algorithms.DIGESTS)
def test_request_round_trip(request_of: Make, authority: Authority, signer: Certificate, cipher: str, digest: str) -> None:
    message = read_message(request_of(digest, cipher), keys=(authority.key,))
    assert message.problems == message.notes == ()
    assert (message.message_type, message.transaction_id) == (MessageType.PKCSReq, "1D6FFBE8B6EF")
    assert (message.sender_nonce, message.recipient_nonce) == (NONCE, None)
    assert (message.digest, message.content_cipher, message.key_transport) == (digest, cipher, "rsaEncryption")
    assert message.signature_valid
    assert message.signer == signer
    assert message.decrypted
    csr = message.csr
    assert csr is not None
    assert csr.subject == r"CN=19WZ1234567A,O=Lab\, Inc.,C=US"
    assert csr.subject_parts == SUBJECT
    assert (csr.key_algorithm, csr.key_bits, csr.signature_digest, csr.signature_valid) == ("rsa", 2048, digest, True)
    assert csr.challenge_password == "swordfish"
    assert csr.public_key_der == signer.public_key_der


@pytest.mark.parametrize("cipher", algorithms.CIPHERS)
@pytest.mark.parametrize("digest", algorithms.DIGESTS)
def test_reply_round_trip(key: RSAPrivateKey, signer: Certificate, authority: Authority, cipher: str, digest: str) -> None:
    issued = authority.issue(read_csr(build_csr(key, SUBJECT, challenge_password=None)), not_before=NOW, not_after=NOW)
    reply = build.build_cert_rep(
        PkiStatus.SUCCESS,
        transaction_id="a+/=",
        recipient_nonce=NONCE,
        signer=authority.certificate,
        key=authority.key,
        digest=digest,
        cipher=cipher,
        issued=(authority.certificate, issued),
        recipient=signer,
    )
    message = read_message(reply, keys=(key,))
    assert message.problems == ()
    assert (message.message_type, message.status, message.transaction_id) == (MessageType.CertRep, PkiStatus.SUCCESS, "a+/=")
    assert (message.recipient_nonce, len(message.sender_nonce or b"")) == (NONCE, 16)
    assert (message.signature_valid, message.digest, message.content_cipher) == (True, digest, cipher)
    assert message.issued == (authority.certificate, issued)
    assert leaf_for(message.issued, algorithms.public_key_der(key)) == issued


@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING])
def test_replies_without_content(authority: Authority, status: PkiStatus) -> None:
    fail_info = FailInfo.badAlg if status is PkiStatus.FAILURE else None
    reply = build.build_cert_rep(
        status,
        transaction_id="1",
        recipient_nonce=NONCE,
        signer=authority.certificate,
        key=authority.key,
        fail_info=fail_info,
        fail_info_text="nein, größer" if fail_info is not None else None,
    )
    message = read_message(reply)
    assert message.problems == ()
    assert message.signature_valid
    assert (message.status, message.fail_info, message.content_cipher) == (status, fail_info, None)
    assert message.fail_info_text == ("nein, größer" if fail_info is not None else None)


def test_no_secret_is_shown(request_of: Make, authority: Authority) -> None:
    message = read_message(request_of(), keys=(authority.key,))
    assert message.content is not None
    assert b"swordfish" in message.content
    assert "swordfish" not in repr(message)


def test_a_wrong_key_never_decrypts(request_of: Make, other_key: RSAPrivateKey) -> None:
    for _ in range(300):
        message = read_message(request_of("sha1", "des-cbc"), keys=(other_key,))
        assert not message.decrypted
        assert message.problems == ()
        assert message.notes[0].endswith("of CN=Bench CA,O=J100 bench; none of the keys given opens it")


def test_what_a_wrong_key_yields_by_chance_is_not_believed(request_of: Make, authority: Authority) -> None:
    """About one decryption in 256 with a wrong content key ends in what looks like padding."""
    _, algorithm, encrypted = algorithms.encrypt("des-cbc", asn1.sequence(asn1.sequence(), asn1.integer(1)))
    iv = asn1.Fields(asn1.read(algorithm)).rest()[1].octets()
    believed = survived = 0
    for _ in range(20_000):
        try:
            garbage = algorithms.decrypt("des-cbc", os.urandom(8), iv, encrypted)
        except algorithms.Undecryptable:
            continue
        survived += 1
        believed += read_message(request_of(content=garbage or b"-"), keys=(authority.key,)).decrypted
    assert survived > 20
    assert believed == 0


def test_a_changed_content_or_signature_is_seen(request_of: Make, authority: Authority) -> None:
    data = request_of()
    content = cms.read_signed_data(asn1.read(data)).content or b""
    at = data.index(content) + len(content) - 1
    changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
    message = read_message(changed)
    assert not message.signature_valid
    assert "messageDigest is not the digest of the content" in message.problems
    message = read_message(data[:-1] + bytes((data[-1] ^ 1,)))
    assert "the signature does not verify" in message.problems


def test_names_agree_with_cryptography(key: RSAPrivateKey) -> None:
    subject = (("C", "DE"), ("ST", " leading"), ("L", "#hash"), ("O", 'a+b"c\\d;<e>=f'), ("OU", "trailing "), ("CN", "Grüße\0"))
    csr = read_csr(build_csr(key, subject, challenge_password=None))
    assert csr.subject_parts == subject
    assert csr.subject == x509.load_der_x509_csr(csr.der).subject.rfc4514_string()


def test_challenge_password_types(key: RSAPrivateKey) -> None:
    for text, tag in (("c81fea83e85a", 0x13), ("pass_word*", 0x0C)):
        der = build_csr(key, SUBJECT, challenge_password=Secret(text))
        assert bytes((tag, len(text))) + text.encode() in der
        assert read_csr(der).challenge_password == text
        assert x509.load_der_x509_csr(der).is_signature_valid


def test_capabilities_however_written() -> None:
    assert read_capabilities(b"POSTPKIOperation\r\nsha-256\r\n\r\n AES") == ("POSTPKIOperation", "sha-256", "AES")
    assert read_capabilities(b"") == ()


def test_certificates_bare_and_degenerate(authority: Authority, signer: Certificate) -> None:
    assert read_certificates(authority.certificate.der) == (authority.certificate,)
    assert read_certificates(build.degenerate((signer, authority.certificate))) == (signer, authority.certificate)
    with pytest.raises(Malformed):
        read_certificates(b"<html>")


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_messages_are_read_or_malformed(request_of: Make, authority: Authority, data: st.DataObject) -> None:
    octets = bytearray(request_of())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(("set", "delete", "insert", "cut"))):
            case "set":
                octets[at] = data.draw(st.integers(0, 255))
            case "delete" if len(octets) > 20:
                del octets[at : at + 10]
            case "insert":
                octets[at:at] = data.draw(st.binary(max_size=10))
            case "cut" if at > 20:
                del octets[at:]
    for read in (
        lambda: read_message(bytes(octets), keys=(authority.key,)),
        lambda: read_certificates(bytes(octets)),
        lambda: read_csr(bytes(octets)),
    ):
        try:
            read()
        except Malformed:
            continue


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_csrs_and_certificates_are_read_or_malformed(
    key: RSAPrivateKey, authority: Authority, data: st.DataObject
) -> None:
    for original, read in (
        (build_csr(key, SUBJECT, challenge_password=Secret("x")), read_csr),
        (authority.certificate.der, read_certificate),
    ):
        octets = bytearray(original)
        for _ in range(data.draw(st.integers(1, 4))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        try:
            read(bytes(octets))
        except Malformed:
            continue


def test_ten_megabytes_of_garbage_are_bounded(request_of: Make) -> None:
    wrapped = asn1.sequence(
        asn1.oid(cms.SIGNED_DATA), asn1.explicit(0, asn1.sequence(asn1.integer(1), asn1.tlv(0x31, b"\x30\x00" * 5_000_000)))
    )
    start = time.perf_counter()
    for garbage in (wrapped, b"\x30\x80" * 5_000_000, b"\x24\x80" * 5_000_000, bytes(10_000_000), b"\xff" * 10_000_000):
        with pytest.raises(Malformed):
            read_message(garbage)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_openssl_verifies_and_decrypts_ours(
    request_of: Make, authority: Authority, key: RSAPrivateKey, tmp_path: Path, digest: str
) -> None:
    (tmp_path / "message").write_bytes(request_of(digest, "aes-256-cbc"))
    (tmp_path / "ca.pem").write_bytes(to_pem(authority.certificate))
    pem = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(pem)
    _openssl(tmp_path, "cms -verify -noverify -inform DER -in message -out envelope -binary")
    _openssl(tmp_path, "cms -decrypt -inform DER -in envelope -recip ca.pem -inkey ca.key -out csr -binary")
    _openssl(tmp_path, "req -verify -noout -inform DER -in csr")
    shown = _openssl(tmp_path, "asn1parse -inform DER -in message")
    assert shown.count("PRINTABLESTRING   :19\n") == 1
    assert "rsaEncryption" in shown


def _openssl(folder: Path, command: str) -> str:
    return subprocess.run(
        ["openssl", *command.split()], cwd=folder, check=True, capture_output=True, text=True, timeout=30
    ).stdout
