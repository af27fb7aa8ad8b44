"""Messages of our own: round trips, wrong keys, departures from DER, hostile octets, other readers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil import asn1
from hil.asn1 import Malformed
from hil.scep import algorithms, build, cms
from hil.scep.authority import Authority, self_signed, to_pem
from hil.scep.certificate import Certificate, leaf_for, read_certificate, write_certificate
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


@pytest.fixture
def signer(key: RSAPrivateKey) -> Certificate:
    return self_signed(read_csr(build_csr(key, SUBJECT, challenge_password=None)).subject_der, key, NOW)


@pytest.fixture
def request_of(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> Make:
    """Builds a PKCSReq for the authority."""

    def make(digest: str = "sha256", cipher: str = "aes-128-cbc", content: bytes | None = None) -> bytes:
        return build.build_request(
            MessageType.PKCSReq,
            content or build_csr(key, SUBJECT, challenge_password=Secret("swordfish"), digest=digest),
            signer=signer,
            key=key,
            recipient=authority.certificate,
            transaction_id="1D6FFBE8B6EF",
            sender_nonce=NONCE,
            digest=digest,
            cipher=cipher,
        )

    return make


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
        assert message.problems == ("none of the keys given opens the pkcsPKIEnvelope",)


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


def test_attributes_signed_in_the_order_sent_are_accepted_and_noted(key: RSAPrivateKey, signer: Certificate) -> None:
    content = b"content"
    attributes = [
        cms.attribute(cms.MESSAGE_DIGEST, asn1.octet_string(algorithms.digest_of("sha256", content))),
        cms.attribute(cms.CONTENT_TYPE, asn1.oid(cms.DATA)),
    ]
    assert attributes != sorted(attributes)
    message = read_message(_signed(key, signer, attributes, asn1.tlv(0x31, *attributes), content))
    assert message.signature_valid
    assert any("in the order sent" in note for note in message.notes)
    sorted_message = read_message(_signed(key, signer, attributes, asn1.set_of(attributes), content))
    assert sorted_message.signature_valid
    assert sorted_message.notes == ()


@pytest.mark.parametrize("parameters", [b"", asn1.null()])
@pytest.mark.parametrize("algorithm", ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.11"])
def test_signature_algorithms_as_peers_write_them(
    key: RSAPrivateKey, signer: Certificate, algorithm: str, parameters: bytes
) -> None:
    attributes = [cms.attribute(cms.MESSAGE_DIGEST, asn1.octet_string(algorithms.digest_of("sha256", b"x")))]
    identifier = asn1.sequence(asn1.oid(algorithm), parameters)
    assert read_message(_signed(key, signer, attributes, asn1.set_of(attributes), b"x", identifier)).signature_valid


def test_an_unknown_digest_is_a_problem(key: RSAPrivateKey, signer: Certificate) -> None:
    data = _signed(key, signer, [], asn1.set_of([]), b"x", digest="2.16.840.1.101.3.4.2.99")
    message = read_message(data)
    assert not message.signature_valid
    assert "digest 2.16.840.1.101.3.4.2.99 is unknown" in message.problems


def test_many_recipients_cost_nothing(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> None:
    envelope = cms.write_enveloped_data(b"x", authority.certificate, "des-cbc")
    version, recipients, encrypted = asn1.read(envelope).children[1].only_child().children
    many = asn1.tlv(0x31, recipients.only_child().raw * 1000)
    body = asn1.explicit(0, asn1.sequence(version.raw, many, encrypted.raw))
    data = _signed(key, signer, [], asn1.set_of([]), asn1.sequence(asn1.oid(cms.ENVELOPED_DATA), body))
    message = read_message(data, keys=(authority.key,))
    assert any("1000 recipients" in problem for problem in message.problems)


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


def test_indefinite_lengths_segments_and_constructed_ciphertext(
    key: RSAPrivateKey, signer: Certificate, authority: Authority
) -> None:
    csr = build_csr(key, SUBJECT, challenge_password=None)
    envelope = _envelope_in_ber(cms.write_enveloped_data(csr, authority.certificate, "des-ede3-cbc"))
    attributes = [cms.attribute(cms.MESSAGE_DIGEST, asn1.octet_string(algorithms.digest_of("sha256", envelope)))]
    data = _signed(key, signer, attributes, asn1.set_of(attributes), envelope)
    message = read_message(_message_in_ber(data, envelope), keys=(authority.key,))
    assert message.signature_valid
    assert message.decrypted
    assert message.content == csr


def test_oaep_key_transport(request_of: Make, key: RSAPrivateKey, signer: Certificate, authority: Authority) -> None:
    content_key, algorithm, encrypted = algorithms.encrypt("aes-256-cbc", build_csr(key, SUBJECT, challenge_password=None))
    sha256 = algorithms.digest_identifier("sha256")
    mask = asn1.sequence(asn1.oid(algorithms.MGF1), sha256)
    parameters = asn1.sequence(asn1.explicit(0, sha256), asn1.explicit(1, mask))
    recipient = asn1.sequence(
        asn1.integer(0),
        authority.certificate.issuer_and_serial,
        asn1.sequence(asn1.oid(algorithms.RSAES_OAEP), parameters),
        asn1.octet_string(authority.key.public_key().encrypt(content_key, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))),
    )
    body = asn1.sequence(
        asn1.integer(0), asn1.tlv(0x31, recipient), asn1.sequence(asn1.oid(cms.DATA), algorithm, asn1.tlv(0x80, encrypted))
    )
    envelope = cms.read_enveloped_data(asn1.read(asn1.sequence(asn1.oid(cms.ENVELOPED_DATA), asn1.explicit(0, body))))
    assert envelope.recipients[0].key_transport == "rsaesOaep"
    assert read_csr(envelope.open((authority.key,), lambda _: True)).subject_parts == SUBJECT


def test_odd_certificates_are_read() -> None:
    small = rsa.generate_private_key(65537, 1024)
    certificate = write_certificate(
        subject_der=asn1.sequence(),
        issuer_der=asn1.sequence(),
        serial=-0x1234,
        not_before=NOW,
        not_after=datetime(2060, 1, 1, tzinfo=UTC),
        public_key_der=algorithms.public_key_der(small),
        extensions=(),
        key=small,
        digest="md5",
    )
    version_4 = certificate.der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)
    read = read_certificate(version_4)
    assert (read.serial, read.subject, read.key_bits) == (-0x1234, "", 1024)
    assert read.not_after == datetime(2060, 1, 1, tzinfo=UTC)
    assert certificate.self_signed
    assert not read.self_signed  # its octets are no longer those that were signed


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


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def _signed(
    key: RSAPrivateKey,
    signer: Certificate,
    attributes: list[bytes],
    signed: bytes,
    content: bytes,
    identifier: bytes | None = None,
    digest: str = "2.16.840.1.101.3.4.2.1",
) -> bytes:
    """A SignedData put together by hand, its attributes in the order given."""
    info = asn1.sequence(
        asn1.integer(1),
        signer.issuer_and_serial,
        asn1.sequence(asn1.oid(digest)),
        asn1.explicit(0, *attributes),
        identifier or algorithms.rsa_identifier(),
        asn1.octet_string(algorithms.sign(key, "sha256", signed)),
    )
    body = asn1.sequence(
        asn1.integer(1),
        asn1.tlv(0x31),
        asn1.sequence(asn1.oid(cms.DATA), asn1.explicit(0, asn1.octet_string(content))),
        asn1.explicit(0, signer.der),
        asn1.tlv(0x31, info),
    )
    return asn1.sequence(asn1.oid(cms.SIGNED_DATA), asn1.explicit(0, body))


def _envelope_in_ber(envelope: bytes) -> bytes:
    """EnvelopedData as BouncyCastle peers write it: indefinite lengths, ciphertext in segments, [0] constructed."""
    version, recipients, encrypted = asn1.read(envelope).children[1].only_child().children
    kind, algorithm, ciphertext = encrypted.children
    inner = _indefinite(0x30, kind.raw, algorithm.raw, _indefinite(0xA0, *_segments(ciphertext.octets())))
    body = _indefinite(0x30, version.raw, recipients.raw, inner)
    return _indefinite(0x30, asn1.oid(cms.ENVELOPED_DATA), _indefinite(0xA0, body))


def _message_in_ber(message: bytes, content: bytes) -> bytes:
    parts = [part.raw for part in asn1.read(message).children[1].only_child().children]
    wrapped = _indefinite(0xA0, _indefinite(0x24, *_segments(content)))
    parts[2] = _indefinite(0x30, asn1.oid(cms.DATA), wrapped)
    return _indefinite(0x30, asn1.oid(cms.SIGNED_DATA), _indefinite(0xA0, _indefinite(0x30, *parts)))


def _segments(octets: bytes, size: int = 100) -> list[bytes]:
    return [asn1.octet_string(octets[at : at + size]) for at in range(0, len(octets), size)]


def _indefinite(identifier: int, *parts: bytes) -> bytes:
    return bytes((identifier, 0x80)) + b"".join(parts) + b"\0\0"
