"""Departures that real peers show, put together by hand: BER, signatures, key transport, certificates."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil import asn1
from hil.scep import algorithms, cms
from hil.scep.authority import Authority
from hil.scep.certificate import Certificate, read_certificate, write_certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.messages import (
    read_message,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = (("C", "US"), ("O", "Lab, Inc."), ("CN", "19WZ1234567A"))
Make = Callable[..., bytes]


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
    """X.509 "version 4", negative serial, empty names, 512 bits, MD5, a date past UTCTime."""
    made = subprocess.run(["openssl", "genrsa", "512"], check=True, capture_output=True, timeout=30)
    small = load_pem_private_key(made.stdout, None)
    assert isinstance(small, RSAPrivateKey)
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
    assert (read.serial, read.subject, read.key_bits) == (-0x1234, "", 512)
    assert read.not_after == datetime(2060, 1, 1, tzinfo=UTC)
    assert certificate.self_signed
    assert not read.self_signed  # its octets are no longer those that were signed


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
