"""Departures that real peers show, put together by hand: BER, signatures, key transport, certificates."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil import asn1
from hil.clock import ManualClock
from hil.scep import algorithms, cms, messages
from hil.scep.authority import Authority
from hil.scep.build import build_cert_rep
from hil.scep.ca import CaService
from hil.scep.certificate import Certificate, read_certificate, write_certificate
from hil.scep.crl import read_crl, write_crl
from hil.scep.csr import CHALLENGE_PASSWORD, build_csr
from hil.scep.envelope import AUTH_ENVELOPED_DATA, ENVELOPED_DATA, read_envelope, write_enveloped_data
from hil.scep.messages import PkiStatus, read_message, read_next_ca
from hil.scep.signers import chain, challenge, issue
from hil.secret import Secret

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
    assert "digest 2.16.840.1.101.3.4.2.99 is not one that can be computed" in message.problems


def test_a_signer_named_in_another_encoding_is_found_and_noted(key: RSAPrivateKey, signer: Certificate) -> None:
    country = asn1.sequence(asn1.oid("2.5.4.6"), asn1.tlv(asn1.UTF8_STRING, b"us"))
    organization = asn1.sequence(asn1.oid("2.5.4.10"), asn1.tlv(0x1E, "Lab,  Inc.".encode("utf-16-be")))
    common_name = asn1.sequence(asn1.oid("2.5.4.3"), asn1.tlv(asn1.PRINTABLE_STRING, b"19WZ1234567A"))
    issuer = asn1.sequence(*(asn1.set_of([part]) for part in (country, organization, common_name)))
    attributes = [cms.attribute(cms.MESSAGE_DIGEST, asn1.octet_string(algorithms.digest_of("sha256", b"x")))]
    for serial, found in ((signer.serial, True), (signer.serial + 1, False)):
        named = asn1.sequence(issuer, asn1.integer(serial))
        message = read_message(_signed(key, signer, attributes, asn1.set_of(attributes), b"x", named=named))
        assert message.signature_valid is found
        assert ("the signer is named in another encoding than its certificate has" in message.notes) is found
        assert "no contentType among the signed attributes" in message.problems
    nobody = asn1.sequence(asn1.sequence(asn1.null()), asn1.null())
    data = _signed(key, signer, attributes, asn1.set_of(attributes), b"x", named=nobody)
    assert "no certificate for the signer" in read_message(data).problems


def test_many_recipients_cost_nothing(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> None:
    envelope = write_enveloped_data(b"x", authority.certificate, "des-cbc")
    version, recipients, encrypted = asn1.read(envelope).children[1].only_child().children
    many = asn1.tlv(0x31, recipients.only_child().raw * 1000)
    body = asn1.explicit(0, asn1.sequence(version.raw, many, encrypted.raw))
    data = _signed(key, signer, [], asn1.set_of([]), asn1.sequence(asn1.oid(ENVELOPED_DATA), body))
    message = read_message(data, keys=(authority.key,))
    assert any("1000 recipients" in problem for problem in message.problems)


def test_indefinite_lengths_segments_and_constructed_ciphertext(
    key: RSAPrivateKey, signer: Certificate, authority: Authority
) -> None:
    csr = build_csr(key, SUBJECT, challenge_password=None)
    envelope = _envelope_in_ber(write_enveloped_data(csr, authority.certificate, "des-ede3-cbc"))
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
    content = asn1.sequence(asn1.oid(ENVELOPED_DATA), asn1.explicit(0, body))
    message = read_message(_request(key, signer, content), keys=(authority.key,))
    assert message.key_transport == "rsaesOaep"
    assert message.csr is not None
    assert message.csr.subject_parts == SUBJECT


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("form", ["authenticated", "attributes", "enveloped", "go"])
def test_aes_gcm_content(key: RSAPrivateKey, signer: Certificate, authority: Authority, size: int, form: str) -> None:
    csr = build_csr(key, SUBJECT, challenge_password=None)
    message = read_message(_request(key, signer, _gcm(authority, csr, size, form)), keys=(authority.key,))
    assert (message.content_cipher, message.decrypted) == (f"aes-{size * 8}-gcm", True)
    assert message.content == csr
    assert any("EnvelopedData" in note for note in message.notes) == (form in ("enveloped", "go"))
    assert any("encoded twice" in note for note in message.notes) == (form == "go")


@pytest.mark.parametrize("form", ["authenticated", "enveloped", "go"])
def test_the_ca_takes_aes_gcm_and_answers_in_cbc(
    key: RSAPrivateKey, signer: Certificate, authority: Authority, form: str
) -> None:
    sealed = _gcm(authority, build_csr(key, SUBJECT, challenge_password=None), 32, form)
    service = CaService(authority, issue(authority), clock=ManualClock())
    reply = read_message(service.pki_operation(_request(key, signer, sealed)), keys=(key,))
    assert (reply.status, reply.content_cipher, len(reply.issued)) == (PkiStatus.SUCCESS, "aes-256-cbc", 1)


@pytest.mark.parametrize("form", ["authenticated", "attributes", "enveloped"])
def test_aes_gcm_that_was_touched_is_not_opened(key: RSAPrivateKey, signer: Certificate, authority: Authority, form: str) -> None:
    sealed = _gcm(authority, build_csr(key, SUBJECT, challenge_password=None), 16, form)
    touched = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    message = read_message(_request(key, signer, touched), keys=(authority.key,), certificates=(authority.certificate,))
    assert not message.decrypted
    assert message.problems[-1] == "the key of CN=Bench CA,O=J100 bench, its recipient, does not open the pkcsPKIEnvelope"


def test_what_ber_was_needed_for_is_noted(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> None:
    plain = write_enveloped_data(build_csr(key, SUBJECT, challenge_password=None), authority.certificate, "aes-128-cbc")
    assert not read_message(_request(key, signer, plain)).notes
    sealed = _envelope_in_ber(plain)
    message = read_message(_message_in_ber(_request(key, signer, sealed), sealed))
    assert "BER: indefinite lengths, strings in segments" in message.notes
    assert "BER in the pkcsPKIEnvelope: indefinite lengths, strings in segments" in message.notes
    assert "encryptedContent is constructed" in message.notes


def test_a_length_longer_than_need_be_is_noted() -> None:
    element = asn1.read(b"\x30\x81\x03\x02\x01\x05")
    assert element.children[0].integer() == 5
    assert element.liberties == ("lengths longer than need be",)
    assert asn1.read(b"\x30\x03\x02\x01\x05").liberties == ()


@pytest.mark.parametrize(
    ("dotted", "tag", "value", "note"),
    [
        (messages.TRANSACTION_ID, asn1.UTF8_STRING, b"T1", "transactionID is a string of tag 0x0c, not 0x13"),
        (messages.TRANSACTION_ID, asn1.PRINTABLE_STRING, b"T_1", "transactionID has characters that PrintableString has not"),
        (messages.SENDER_NONCE, asn1.OCTET_STRING, b"8 octets", "senderNonce has 8 octets, not 16"),
    ],
)
def test_attributes_of_another_form_are_noted(
    key: RSAPrivateKey, signer: Certificate, dotted: str, tag: int, value: bytes, note: str
) -> None:
    assert note in read_message(_request(key, signer, b"", {dotted: asn1.tlv(tag, value)})).notes


@pytest.mark.parametrize(("given", "status"), [(b"swordfish", PkiStatus.SUCCESS), (b"wrong", PkiStatus.FAILURE)])
def test_a_challenge_among_the_signed_attributes_is_noted_and_counts(
    key: RSAPrivateKey, signer: Certificate, authority: Authority, given: bytes, status: PkiStatus
) -> None:
    sealed = write_enveloped_data(build_csr(key, SUBJECT, challenge_password=None), authority.certificate, "aes-128-cbc")
    message = _request(key, signer, sealed, {CHALLENGE_PASSWORD: asn1.tlv(asn1.UTF8_STRING, given)})
    assert read_message(message).notes == ("challengePassword stands among the signed attributes",)
    assert given.decode() not in repr(read_message(message))
    service = CaService(authority, chain(challenge(Secret("swordfish")), to=issue(authority)), clock=ManualClock())
    assert read_message(service.pki_operation(message)).status is status


def test_an_echoed_nonce_is_noted(key: RSAPrivateKey, signer: Certificate) -> None:
    reply = build_cert_rep(
        PkiStatus.PENDING, transaction_id="T1", recipient_nonce=b"n" * 16, sender_nonce=b"n" * 16, signer=signer, key=key
    )
    assert read_message(reply).notes == ("senderNonce echoes the client's",)


def test_a_failure_with_content_is_a_problem_and_an_empty_one_a_note(
    key: RSAPrivateKey, signer: Certificate, authority: Authority
) -> None:
    failure = {
        messages.MESSAGE_TYPE: asn1.printable_or_utf8("3"),
        messages.PKI_STATUS: asn1.printable_or_utf8("2"),
        messages.FAIL_INFO: asn1.printable_or_utf8("2"),
        messages.RECIPIENT_NONCE: asn1.octet_string(b"r" * 16),
    }
    empty = read_message(_request(key, signer, b"", failure))
    assert (empty.problems, empty.notes) == ((), ("empty content where there should be none",))
    sealed = write_enveloped_data(cms.degenerate(()), authority.certificate, "aes-128-cbc")
    assert read_message(_request(key, signer, sealed, failure)).problems == ("a CertRep FAILURE with content",)


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
    assert read.oddities == ("X.509 version 4", "serial number not positive")


def test_damaged_octets_are_malformed_at_worst(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> None:
    """Each of 300 damaged forms of each structure is read, is `Malformed`, or does not open; nothing else is raised."""
    csr = build_csr(key, SUBJECT, challenge_password=None)
    crl = write_crl(authority.certificate, authority.key, {1: NOW}, number=1, this_update=NOW, next_update=NOW)
    next_ca = cms.write_signed_data(
        cms.degenerate((signer,), (crl.der,)), (), signer=signer, key=key, digest="sha256", certificates=(signer,)
    )
    envelopes = [_gcm(authority, csr, 16, form) for form in ("attributes", "enveloped", "go")]
    targets: list[tuple[bytes, Callable[[bytes], object]]] = [
        (crl.der, read_crl),
        (next_ca, lambda data: read_next_ca(data, ())),
        *((sealed, lambda data: read_envelope(asn1.read(data)).open((authority.key,), lambda _: True)) for sealed in envelopes),
    ]
    random = Random(8894)
    refused = 0
    for whole, read in targets:
        for _ in range(300):
            damaged = bytearray(whole)
            for _ in range(random.randint(1, 3)):
                damaged[random.randrange(min(len(damaged), 400))] = random.randrange(256)
            try:
                read(bytes(damaged[: random.choice((None, random.randrange(len(damaged))))]))
            except (asn1.Malformed, algorithms.Undecryptable):
                refused += 1
    assert refused > 500


def _request(key: RSAPrivateKey, signer: Certificate, content: bytes, changes: dict[str, bytes] | None = None) -> bytes:
    """A PKCSReq around the content, with some of its attributes changed or added."""
    values = {
        messages.MESSAGE_TYPE: asn1.printable_or_utf8("19"),
        messages.TRANSACTION_ID: asn1.printable_or_utf8("T1"),
        messages.SENDER_NONCE: asn1.octet_string(b"n" * 16),
        cms.CONTENT_TYPE: asn1.oid(cms.DATA),
        cms.MESSAGE_DIGEST: asn1.octet_string(algorithms.digest_of("sha256", content)),
    } | (changes or {})
    attributes = [cms.attribute(dotted, value) for dotted, value in values.items()]
    return _signed(key, signer, attributes, asn1.set_of(attributes), content)


def _gcm(authority: Authority, content: bytes, size: int, form: str) -> bytes:
    """AES-GCM in an AuthEnvelopedData (with authAttrs or not), an EnvelopedData, or one as Go's pkcs7 libraries write it."""
    content_key, nonce = b"k" * size, b"n" * 12
    attributes = [cms.attribute(cms.CONTENT_TYPE, asn1.oid(cms.DATA))] if form == "attributes" else []
    sealed = AESGCM(content_key).encrypt(nonce, content, asn1.set_of(attributes) if attributes else None)
    dotted = {16: "2.16.840.1.101.3.4.1.6", 24: "2.16.840.1.101.3.4.1.26", 32: "2.16.840.1.101.3.4.1.46"}[size]
    parameters = asn1.sequence(asn1.octet_string(nonce), asn1.integer(16))
    if form == "go":
        parameters = asn1.tlv(0x10, asn1.sequence(asn1.tlv(0x84, nonce), asn1.integer(16)))
    recipient = asn1.sequence(
        asn1.integer(0),
        authority.certificate.issuer_and_serial,
        algorithms.rsa_identifier(),
        asn1.octet_string(authority.certificate.public_key.encrypt_key(content_key)),
    )
    authenticated = form in ("authenticated", "attributes")
    body = asn1.sequence(
        asn1.integer(0),
        asn1.tlv(0x31, recipient),
        asn1.sequence(
            asn1.oid(cms.DATA),
            asn1.sequence(asn1.oid(dotted), parameters),
            asn1.tlv(0x80, sealed[:-16] if authenticated else sealed),
        ),
        asn1.explicit(1, *attributes) if attributes else b"",
        asn1.octet_string(sealed[-16:]) if authenticated else b"",
    )
    return asn1.sequence(asn1.oid(AUTH_ENVELOPED_DATA if authenticated else ENVELOPED_DATA), asn1.explicit(0, body))


def _signed(
    key: RSAPrivateKey,
    signer: Certificate,
    attributes: list[bytes],
    signed: bytes,
    content: bytes,
    identifier: bytes | None = None,
    digest: str = "2.16.840.1.101.3.4.2.1",
    named: bytes | None = None,
) -> bytes:
    """A SignedData put together by hand, its attributes in the order given."""
    info = asn1.sequence(
        asn1.integer(1),
        named or signer.issuer_and_serial,
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
    return _indefinite(0x30, asn1.oid(ENVELOPED_DATA), _indefinite(0xA0, body))


def _message_in_ber(message: bytes, content: bytes) -> bytes:
    parts = [part.raw for part in asn1.read(message).children[1].only_child().children]
    wrapped = _indefinite(0xA0, _indefinite(0x24, *_segments(content)))
    parts[2] = _indefinite(0x30, asn1.oid(cms.DATA), wrapped)
    return _indefinite(0x30, asn1.oid(cms.SIGNED_DATA), _indefinite(0xA0, _indefinite(0x30, *parts)))


def _segments(octets: bytes, size: int = 100) -> list[bytes]:
    return [asn1.octet_string(octets[at : at + size]) for at in range(0, len(octets), size)]


def _indefinite(identifier: int, *parts: bytes) -> bytes:
    return bytes((identifier, 0x80)) + b"".join(parts) + b"\0\0"
