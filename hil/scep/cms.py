"""The CMS structures under SCEP (RFC 5652): SignedData and EnvelopedData, read leniently and written in DER."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.scep import algorithms
from hil.scep.algorithms import Undecryptable
from hil.scep.certificate import Certificate

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
# Each of these may cost an RSA operation, so a hostile message may not have many.
MAX_CERTIFICATES, MAX_SIGNERS, MAX_RECIPIENTS = 100, 10, 10


@dataclass(frozen=True)
class SignerInfo:
    """One signature; the signer is named by `issuer_and_serial` (octets as received) or by `key_identifier`."""

    issuer_and_serial: bytes | None
    key_identifier: bytes | None
    digest: str
    signature_algorithm: str
    signature: bytes
    attributes: Element | None

    def names(self, certificate: Certificate) -> bool:
        """Whether the certificate is the one that this signature names."""
        if self.issuer_and_serial is not None:
            return self.issuer_and_serial == certificate.issuer_and_serial
        return self.key_identifier is not None and self.key_identifier == certificate.key_identifier


@dataclass(frozen=True)
class SignedData:
    """A SignedData: `content` is None where there is none; certificates are elements not yet believed."""

    content: bytes | None
    certificates: tuple[Element, ...]
    signers: tuple[SignerInfo, ...]


@dataclass(frozen=True)
class Recipient:
    """One KeyTransRecipientInfo; `algorithm` is its AlgorithmIdentifier."""

    issuer_and_serial: bytes | None
    algorithm: Element
    encrypted_key: bytes

    @property
    def key_transport(self) -> str:
        """rsaEncryption, rsaesOaep, or an OID."""
        dotted = Fields(self.algorithm).take(asn1.OID).oid()
        return algorithms.KEY_TRANSPORTS.get(dotted, dotted)


@dataclass(frozen=True)
class EnvelopedData:
    """An EnvelopedData with its key transport recipients."""

    recipients: tuple[Recipient, ...]
    content_cipher: str
    iv: bytes
    encrypted: bytes

    def open(self, keys: Iterable[RSAPrivateKey], believe: Callable[[bytes], bool]) -> bytes:
        """The content, by the first key that opens it to something that `believe` takes; else `Undecryptable`."""
        for key in keys:
            for recipient in self.recipients:
                try:
                    content_key = algorithms.decrypt_key(key, recipient.algorithm, recipient.encrypted_key)
                    content = algorithms.decrypt(self.content_cipher, content_key, self.iv, self.encrypted)
                except Undecryptable:
                    continue
                if believe(content):
                    return content
        raise Undecryptable


def content_of(element: Element, content_type: str) -> Element:
    """The content of a ContentInfo of this type."""
    fields = Fields(element)
    found = fields.take(asn1.OID).oid()
    if found != content_type:
        raise Malformed(f"content type {found}, expected {content_type}")
    return fields.take(asn1.CONTEXT_0).only_child()


def read_signed_data(element: Element) -> SignedData:
    """A ContentInfo that holds SignedData."""
    fields = Fields(content_of(element, SIGNED_DATA))
    fields.take(asn1.INTEGER)
    fields.take(asn1.SET)
    encapsulated = Fields(fields.take(asn1.SEQUENCE))
    encapsulated.take(asn1.OID)
    wrapped = encapsulated.maybe(asn1.CONTEXT_0)
    content: bytes | None = None
    if wrapped is not None and wrapped.children:
        inner = wrapped.only_child()
        # PKCS #7 lets any type stand here, CMS only an OCTET STRING.
        content = inner.octets() if inner.tag == asn1.OCTET_STRING else inner.raw
    certificates = fields.maybe(asn1.CONTEXT_0)
    fields.maybe(asn1.CONTEXT_1)
    signers = _few(fields.take(asn1.SET).children, MAX_SIGNERS, "signatures")
    found = [child for child in certificates.children if child.tag == asn1.SEQUENCE] if certificates else []
    return SignedData(content, _few(found, MAX_CERTIFICATES, "certificates"), tuple(map(_signer_info, signers)))


def read_enveloped_data(element: Element) -> EnvelopedData:
    """A ContentInfo that holds EnvelopedData."""
    fields = Fields(content_of(element, ENVELOPED_DATA))
    fields.take(asn1.INTEGER)
    fields.maybe(asn1.CONTEXT_0)
    recipients = _few(fields.take(asn1.SET).children, MAX_RECIPIENTS, "recipients")
    encrypted = Fields(fields.take(asn1.SEQUENCE))
    encrypted.take(asn1.OID)
    algorithm = Fields(encrypted.take(asn1.SEQUENCE))
    cipher = algorithms.cipher_name(algorithm.take(asn1.OID).oid())
    iv = algorithm.maybe(asn1.OCTET_STRING)
    return EnvelopedData(
        recipients=tuple(_recipient(child) for child in recipients if child.tag == asn1.SEQUENCE),
        content_cipher=cipher,
        iv=iv.octets() if iv else b"",
        encrypted=encrypted.take(asn1.CONTEXT_0).octets(),
    )


def write_signed_data(
    content: bytes | None,
    attributes: Iterable[bytes],
    *,
    signer: Certificate,
    key: RSAPrivateKey,
    digest: str,
    certificates: Sequence[Certificate],
) -> bytes:
    """SignedData in DER with one signature over `attributes` (encoded), contentType and messageDigest."""
    signed = sorted(
        (
            *attributes,
            attribute(CONTENT_TYPE, asn1.oid(DATA)),
            attribute(MESSAGE_DIGEST, asn1.octet_string(algorithms.digest_of(digest, content or b""))),
        )
    )
    signer_info = asn1.sequence(
        asn1.integer(1),
        signer.issuer_and_serial,
        algorithms.digest_identifier(digest),
        asn1.explicit(0, *signed),
        algorithms.rsa_identifier(),
        asn1.octet_string(algorithms.sign(key, digest, asn1.tlv(0x31, *signed))),
    )
    return _signed_data(content, algorithms.digest_identifier(digest), certificates, signer_info)


def degenerate(certificates: Sequence[Certificate]) -> bytes:
    """Certificates in a SignedData without content or signers, in the order given (RFC 8894 section 3.4)."""
    return _signed_data(None, b"", certificates, b"")


def write_enveloped_data(content: bytes, recipient: Certificate, cipher: str) -> bytes:
    """EnvelopedData in DER for one recipient, RSA PKCS#1 v1.5 key transport."""
    key, algorithm, encrypted = algorithms.encrypt(cipher, content)
    recipient_info = asn1.sequence(
        asn1.integer(0),
        recipient.issuer_and_serial,
        algorithms.rsa_identifier(),
        asn1.octet_string(recipient.public_key.encrypt_key(key)),
    )
    encrypted_content = asn1.sequence(asn1.oid(DATA), algorithm, asn1.tlv(0x80, encrypted))
    body = asn1.sequence(asn1.integer(0), asn1.tlv(0x31, recipient_info), encrypted_content)
    return asn1.sequence(asn1.oid(ENVELOPED_DATA), asn1.explicit(0, body))


def attribute(dotted: str, value: bytes) -> bytes:
    """An Attribute with one encoded value."""
    return asn1.sequence(asn1.oid(dotted), asn1.tlv(0x31, value))


def _signed_data(content: bytes | None, digest: bytes, certificates: Sequence[Certificate], signer_info: bytes) -> bytes:
    wrapped = b"" if content is None else asn1.explicit(0, asn1.octet_string(content))
    body = asn1.sequence(
        asn1.integer(1),
        asn1.tlv(0x31, digest),
        asn1.sequence(asn1.oid(DATA), wrapped),
        asn1.explicit(0, *(certificate.der for certificate in certificates)) if certificates else b"",
        asn1.tlv(0x31, signer_info),
    )
    return asn1.sequence(asn1.oid(SIGNED_DATA), asn1.explicit(0, body))


def _few(elements: Sequence[Element], limit: int, what: str) -> tuple[Element, ...]:
    if len(elements) > limit:
        raise Malformed(f"{len(elements)} {what}, more than {limit}")
    return tuple(elements)


def _signer_info(element: Element) -> SignerInfo:
    fields = Fields(element)
    fields.take(asn1.INTEGER)
    identifier = fields.take(asn1.SEQUENCE, asn1.CONTEXT_0)
    by_name = identifier.tag == asn1.SEQUENCE
    digest = algorithms.digest_name(Fields(fields.take(asn1.SEQUENCE)).take(asn1.OID).oid())
    attributes = fields.maybe(asn1.CONTEXT_0)
    signature_algorithm = Fields(fields.take(asn1.SEQUENCE)).take(asn1.OID).oid()
    return SignerInfo(
        issuer_and_serial=_issuer_and_serial(identifier) if by_name else None,
        key_identifier=None if by_name else identifier.octets(),
        digest=digest,
        signature_algorithm=signature_algorithm,
        signature=fields.take(asn1.OCTET_STRING).octets(),
        attributes=attributes,
    )


def _recipient(element: Element) -> Recipient:
    fields = Fields(element)
    fields.take(asn1.INTEGER)
    identifier = fields.take(asn1.SEQUENCE, asn1.CONTEXT_0)
    algorithm = fields.take(asn1.SEQUENCE)
    by_name = identifier.tag == asn1.SEQUENCE
    encrypted_key = fields.take(asn1.OCTET_STRING).octets()
    return Recipient(_issuer_and_serial(identifier) if by_name else None, algorithm, encrypted_key)


def _issuer_and_serial(element: Element) -> bytes:
    """Its octets with the outer header in DER, the parts as received."""
    return asn1.sequence(*(child.raw for child in element.children))
