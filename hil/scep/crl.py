"""Certificate revocation lists (RFC 5280 section 5): read from their structure, and written by the CA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields
from hil.scep import algorithms, names
from hil.scep.certificate import Certificate, read_extensions, write_extension
from hil.scep.public_key import Scheme, read_signature

CRL_NUMBER = "2.5.29.20"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
_VERSION_2 = 1


@dataclass(frozen=True)
class Crl:
    """A CRL as its octets say; `revoked` holds the instant of revocation by serial number, `number` is the CRL number."""

    der: bytes = field(repr=False)
    issuer: str
    this_update: datetime
    next_update: datetime | None
    revoked: Mapping[int, datetime] = field(hash=False)
    number: int | None
    issuer_der: bytes = field(repr=False)
    scheme: Scheme = field(repr=False)
    signed_part: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether `issuer` is named as issuer and its key verifies the signature."""
        if self.issuer_der != issuer.subject_der:
            return False
        return issuer.public_key.verifies(self.scheme, self.signature, self.signed_part)


def read_crl(der: bytes) -> Crl:
    """A CRL from its DER or BER; raises `Malformed`."""
    return crl_of(asn1.read(der))


def crl_of(element: Element) -> Crl:
    """The CRL that an element already read holds; raises `Malformed`."""
    fields = Fields(element)
    body = fields.take(asn1.SEQUENCE)
    _, scheme, signature = read_signature(fields)
    signed = Fields(body)
    signed.maybe(asn1.INTEGER)
    signed.take(asn1.SEQUENCE)
    issuer = signed.take(asn1.SEQUENCE)
    this_update = signed.take().time()
    next_update = signed.maybe(asn1.UTC_TIME, asn1.GENERALIZED_TIME)
    entries = signed.maybe(asn1.SEQUENCE)
    extensions = signed.maybe(asn1.CONTEXT_0)
    number = dict(read_extensions(extensions.only_child())).get(CRL_NUMBER) if extensions else None
    return Crl(
        der=element.raw,
        issuer=names.read_name(issuer).text,
        this_update=this_update,
        next_update=next_update.time() if next_update else None,
        revoked=dict(map(_entry, entries.children)) if entries else {},
        number=None if number is None else asn1.read(number).integer(),
        issuer_der=issuer.raw,
        scheme=scheme,
        signed_part=body.raw,
        signature=signature,
    )


def write_crl(
    issuer: Certificate,
    key: RSAPrivateKey,
    revoked: Mapping[int, datetime],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
    digest: str = "sha256",
) -> Crl:
    """A version 2 CRL of `issuer`, signed by its `key`; `revoked` as in `Crl`."""
    algorithm = algorithms.signature_identifier(digest)
    entries = [asn1.sequence(asn1.integer(serial), asn1.time(at)) for serial, at in sorted(revoked.items())]
    identifier = issuer.key_identifier
    extensions = asn1.sequence(
        write_extension(AUTHORITY_KEY_IDENTIFIER, asn1.sequence(asn1.tlv(0x80, identifier))).der if identifier else b"",
        write_extension(CRL_NUMBER, asn1.integer(number)).der,
    )
    body = asn1.sequence(
        asn1.integer(_VERSION_2),
        algorithm,
        issuer.subject_der,
        asn1.time(this_update),
        asn1.time(next_update),
        asn1.sequence(*entries) if entries else b"",
        asn1.explicit(0, extensions),
    )
    return read_crl(asn1.sequence(body, algorithm, asn1.bit_string(algorithms.sign(key, digest, body))))


def _entry(element: Element) -> tuple[int, datetime]:
    fields = Fields(element)
    return fields.take(asn1.INTEGER).integer(), fields.take().time()
