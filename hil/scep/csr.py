"""Certification requests, PKCS #10 (RFC 2986) with the attributes of PKCS #9 (RFC 2985)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields
from hil.frozen import frozen
from hil.scep import algorithms, names
from hil.scep.altnames import SUBJECT_ALT_NAME
from hil.scep.certificate import read_extensions, write_extension
from hil.scep.public_key import read_public_key, read_signature
from hil.secret import Secret

CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
_EXTENSION_REQUESTS = (_EXTENSION_REQUEST, "1.3.6.1.4.1.311.2.1.14")
_EXTENSION_NAMES = {
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    SUBJECT_ALT_NAME: "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.37": "extendedKeyUsage",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.4.1.311.20.2": "certificateTemplateName",
}


@frozen
class Csr:
    """A certification request as its octets say.

    `subject` is an RFC 4514 string, `subject_parts` its attributes in the order encoded, by short
    name or dotted OID. `extensions` are the names (or OIDs) of the extensions asked for.
    """

    der: bytes = field(repr=False)
    subject: str
    subject_parts: tuple[tuple[str, str], ...]
    key_algorithm: str
    key_bits: int
    public_key_der: bytes = field(repr=False)
    signature_digest: str
    signature_valid: bool
    challenge_password: Secret | None
    extensions: tuple[str, ...]
    subject_der: bytes = field(repr=False)


def read_csr(der: bytes) -> Csr:
    """A CertificationRequest from its DER or BER; raises `Malformed`."""
    return csr_of(asn1.read(der))


def csr_of(element: Element) -> Csr:
    """The CertificationRequest that an element already read holds."""
    fields = Fields(element)
    info = fields.take(asn1.SEQUENCE)
    signature_digest, scheme, signature = read_signature(fields)
    parts = Fields(info)
    parts.take(asn1.INTEGER)
    subject = parts.take(asn1.SEQUENCE)
    public_key = read_public_key(parts.take(asn1.SEQUENCE))
    challenge, extensions = _attributes(parts.maybe(asn1.CONTEXT_0))
    name = names.read_name(subject)
    return Csr(
        der=element.raw,
        subject=name.text,
        subject_parts=name.parts,
        key_algorithm=public_key.algorithm,
        key_bits=public_key.bits,
        public_key_der=public_key.der,
        signature_digest=signature_digest,
        signature_valid=public_key.verifies(scheme, signature, info.raw),
        challenge_password=challenge,
        extensions=extensions,
        subject_der=subject.raw,
    )


def build_csr(
    key: RSAPrivateKey,
    subject: Sequence[tuple[str, str]] | bytes,
    *,
    challenge_password: Secret | None,
    alternative_names: bytes | None = None,
    digest: str = "sha256",
) -> bytes:
    """A CertificationRequest in DER, its subject in the order given, or the encoded Name given.

    challengePassword is a PrintableString where that can hold it, else a UTF8String (RFC 2985 section 5.4.1).
    `alternative_names` are encoded GeneralNames, asked for by extensionRequest (section 5.4.2).
    """
    name = subject if isinstance(subject, bytes) else names.write_name(subject)
    attributes = []
    if challenge_password is not None:
        text = asn1.printable_or_utf8(challenge_password.reveal())
        attributes.append(asn1.sequence(asn1.oid(CHALLENGE_PASSWORD), asn1.set_of([text])))
    if alternative_names is not None:
        extension = write_extension(SUBJECT_ALT_NAME, alternative_names, critical=name == names.write_name(()))
        attributes.append(asn1.sequence(asn1.oid(_EXTENSION_REQUEST), asn1.set_of([asn1.sequence(extension.der)])))
    info = asn1.sequence(asn1.integer(0), name, algorithms.public_key_der(key), asn1.explicit(0, *sorted(attributes)))
    signature = algorithms.sign(key, digest, info)
    return asn1.sequence(info, algorithms.signature_identifier(digest), asn1.bit_string(signature))


def _attributes(element: Element | None) -> tuple[Secret | None, tuple[str, ...]]:
    challenge: Secret | None = None
    extensions: list[str] = []
    for attribute in element.children if element else ():
        fields = Fields(attribute)
        dotted = fields.take(asn1.OID).oid()
        values = fields.take(asn1.SET).children
        if dotted == CHALLENGE_PASSWORD and values:
            challenge = Secret(values[0].text())
        elif dotted in _EXTENSION_REQUESTS:
            for value in values:
                extensions += [_EXTENSION_NAMES.get(name, name) for name, _ in read_extensions(value)]
    return challenge, tuple(extensions)
