"""SignedData (RFC 5652 section 5), read leniently and written in DER."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.frozen import frozen
from hil.scep import algorithms
from hil.scep.certificate import Certificate
from hil.scep.public_key import Scheme, read_scheme
from hil.scep.remembering import remembering

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"
_NAMES = {
    DATA: "Data",
    SIGNED_DATA: "SignedData",
    ENVELOPED_DATA: "EnvelopedData",
    AUTH_ENVELOPED_DATA: "AuthEnvelopedData",
}
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
# Each of these may cost an RSA operation, so a hostile message may not have many.
MAX_CERTIFICATES, MAX_CRLS, MAX_SIGNERS = 100, 10, 10


@frozen
class SignerInfo:
    """One signature; the signer is named by `issuer_and_serial` (octets as received) or by `key_identifier`."""

    issuer_and_serial: bytes | None
    key_identifier: bytes | None
    digest: str
    scheme: Scheme
    signature: bytes
    attributes: Element | None
    notes: tuple[str, ...] = ()

    def has(self, dotted: str) -> bool:
        """Whether there is a signed attribute of this type."""
        attributes = self.attributes.children if self.attributes else ()
        return any(Fields(attribute).take(asn1.OID).oid() == dotted for attribute in attributes)

    def names(self, certificate: Certificate) -> bool:
        """Whether the certificate is the one that this signature names."""
        return certificate.is_named(self.issuer_and_serial, self.key_identifier)


@frozen
class SignedData:
    """A SignedData: `content` is None where there is none; certificates and CRLs are elements not yet believed."""

    content: bytes | None
    certificates: tuple[Element, ...]
    crls: tuple[Element, ...]
    signers: tuple[SignerInfo, ...]


def content_of(element: Element, content_type: str) -> Element:
    """The content of a ContentInfo of this type."""
    fields = Fields(element)
    found = fields.take(asn1.OID).oid()
    if found != content_type:
        raise Malformed(f"{_NAMES.get(found, f'content of type {found}')} where {_NAMES[content_type]} should stand")
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
    crls = fields.maybe(asn1.CONTEXT_1)
    signers = few(fields.take(asn1.SET).children, MAX_SIGNERS, "signatures")
    found = [child for child in certificates.children if child.tag == asn1.SEQUENCE] if certificates else []
    listed = [child for child in crls.children if child.tag == asn1.SEQUENCE] if crls else []
    return SignedData(
        content=content,
        certificates=few(found, MAX_CERTIFICATES, "certificates"),
        crls=few(listed, MAX_CRLS, "CRLs"),
        signers=tuple(map(_signer_info, signers)),
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
            _CONTENT_TYPE_DATA,
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


def degenerate(certificates: Sequence[Certificate], crls: Sequence[bytes] = ()) -> bytes:
    """Certificates and encoded CRLs in a SignedData without content or signers, in the order given (RFC 8894 section 3.4)."""
    return _signed_data(None, b"", certificates, b"", crls)


def attribute(dotted: str, value: bytes) -> bytes:
    """An Attribute with one encoded value."""
    return asn1.sequence(asn1.oid(dotted), asn1.tlv(0x31, value))


_CONTENT_TYPE_DATA = attribute(CONTENT_TYPE, asn1.oid(DATA))


def _signed_data(
    content: bytes | None,
    digest: bytes,
    certificates: Sequence[Certificate],
    signer_info: bytes,
    crls: Sequence[bytes] = (),
) -> bytes:
    wrapped = b"" if content is None else asn1.explicit(0, asn1.octet_string(content))
    body = asn1.sequence(
        asn1.integer(1),
        asn1.tlv(0x31, digest),
        asn1.sequence(asn1.oid(DATA), wrapped),
        asn1.explicit(0, *(certificate.der for certificate in certificates)) if certificates else b"",
        asn1.explicit(1, *crls) if crls else b"",
        asn1.tlv(0x31, signer_info),
    )
    return asn1.sequence(asn1.oid(SIGNED_DATA), asn1.explicit(0, body))


def few(elements: Sequence[Element], limit: int, what: str) -> tuple[Element, ...]:
    """The elements, if they are no more than `limit`; else `Malformed`."""
    if len(elements) > limit:
        raise Malformed(f"{len(elements)} {what}, more than {limit}")
    return tuple(elements)


def _signer_info(element: Element) -> SignerInfo:
    fields = Fields(element)
    fields.take(asn1.INTEGER)
    identifier = fields.take(asn1.SEQUENCE, asn1.CONTEXT_0)
    by_name = identifier.tag == asn1.SEQUENCE
    digest = algorithms.named_digest(fields.take(asn1.SEQUENCE))
    attributes = fields.maybe(asn1.CONTEXT_0)
    algorithm = fields.take(asn1.SEQUENCE)
    return SignerInfo(
        issuer_and_serial=issuer_and_serial_of(identifier) if by_name else None,
        key_identifier=None if by_name else identifier.octets(),
        digest=digest,
        scheme=read_scheme(algorithm),
        signature=fields.take(asn1.OCTET_STRING).octets(),
        attributes=attributes,
        notes=("signatureAlgorithm rsaEncryption has no NULL",) if _is_bare(algorithm) else (),
    )


@remembering(64, 64)
def _is_bare(algorithm: Element) -> bool:
    """Whether this is rsaEncryption without the NULL that RFC 3370 section 3.2 asks for."""
    return Fields(algorithm).take(asn1.OID).oid() == algorithms.RSA_ENCRYPTION and len(algorithm.children) == 1


def issuer_and_serial_of(element: Element) -> bytes:
    """An IssuerAndSerialNumber with its outer header in DER and the parts as received, so that octets can be compared."""
    return asn1.sequence(*(child.raw for child in element.children))
