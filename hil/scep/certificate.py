"""X.509 certificates: read from their structure however odd they are, and written by the CA and by clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.frozen import frozen
from hil.scep import algorithms, names
from hil.scep.public_key import PublicKey, Scheme, read_public_key, read_signature
from hil.scep.remembering import remembering

BASIC_CONSTRAINTS = "2.5.29.19"
KEY_USAGE = "2.5.29.15"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
_MAX_SERIAL = 20
_MOST_KNOWN, _LONGEST_KNOWN = 64, 64
_Given = TypeVar("_Given")
_Read = TypeVar("_Read")
_USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign")


@frozen
class Certificate:
    """A certificate as its octets say; `subject` and `issuer` are RFC 4514 strings, times are UTC.

    Nothing is refused for its version, serial number, key size or dates. `key_usage` is None where
    the extension is absent. `oddities` say what RFC 5280 does not allow and the reading did.
    """

    der: bytes = field(repr=False)
    subject: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    key_bits: int
    public_key_der: bytes = field(repr=False)
    is_ca: bool = field(repr=False)
    key_usage: frozenset[str] | None = field(repr=False)
    subject_der: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
    issuer_and_serial: bytes = field(repr=False)
    key_identifier: bytes | None = field(repr=False)
    public_key: PublicKey = field(repr=False)
    scheme: Scheme = field(repr=False)
    signed_part: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    oddities: tuple[str, ...] = field(repr=False, default=())

    @cached_property
    def self_signed(self) -> bool:
        """Whether its own key verifies its signature."""
        return self.signed_by(self)

    @property
    def subject_parts(self) -> tuple[tuple[str, str], ...]:
        """The subject's attributes in the order encoded, by short name or dotted OID."""
        return names.read_name(asn1.read(self.subject_der)).parts

    def is_named(self, issuer_and_serial: bytes | None, key_identifier: bytes | None) -> bool:
        """Whether a SignerInfo or RecipientInfo means this certificate: by issuer and serial number, else by its key."""
        if issuer_and_serial is not None:
            return issuer_and_serial == self.issuer_and_serial
        return key_identifier == (self.key_identifier or self.public_key.identifier)

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether `issuer` is named as issuer and its key verifies the signature."""
        if self.issuer_der != issuer.subject_der:
            return False
        return issuer.public_key.verifies(self.scheme, self.signature, self.signed_part)


def read_certificate(der: bytes) -> Certificate:
    """A certificate from its DER or BER; raises `Malformed`."""
    return certificate_of(asn1.read(der))


def certificate_of(element: Element) -> Certificate:
    """The certificate that an element already read holds."""
    fields = Fields(element)
    body = fields.take(asn1.SEQUENCE)
    _, scheme, signature = read_signature(fields)
    signed = Fields(body)
    version = signed.maybe(asn1.CONTEXT_0)
    serial = signed.take(asn1.INTEGER)
    signed.take(asn1.SEQUENCE)
    issuer = signed.take(asn1.SEQUENCE)
    validity = Fields(signed.take(asn1.SEQUENCE))
    subject = signed.take(asn1.SEQUENCE)
    public_key = read_public_key(signed.take(asn1.SEQUENCE))
    dates = (validity.take(), validity.take())
    holder = names.read_name(subject).text
    number = version.only_child().small() + 1 if version else 1
    in_utc = all(date.content.endswith(b"Z") for date in dates)
    oddities = _oddities(number, serial.integer(), serial.stop - serial.body, in_utc, public_key)
    extensions = _soft(_extensions, signed.rest(), "the extensions", oddities) or {}
    return Certificate(
        der=element.raw,
        subject=holder,
        issuer=names.read_name(issuer).text,
        serial=serial.integer(),
        not_before=dates[0].time(),
        not_after=dates[1].time(),
        key_bits=public_key.bits,
        public_key_der=public_key.der,
        is_ca=bool(_soft(_is_ca, extensions.get(BASIC_CONSTRAINTS), "basicConstraints", oddities)),
        key_usage=_soft(_key_usage, extensions.get(KEY_USAGE), "keyUsage", oddities),
        subject_der=subject.raw,
        issuer_der=issuer.raw,
        issuer_and_serial=asn1.sequence(issuer.raw, serial.raw),
        key_identifier=_key_identifier(extensions.get(SUBJECT_KEY_IDENTIFIER)),
        public_key=public_key,
        scheme=scheme,
        signed_part=body.raw,
        signature=signature,
        oddities=tuple(oddities),
    )


def leaf_for(certificates: Iterable[Certificate], public_key_der: bytes) -> Certificate | None:
    """The certificate of this public key (SubjectPublicKeyInfo), wherever it stands among the others."""
    return next((certificate for certificate in certificates if certificate.public_key_der == public_key_der), None)


def read_extensions(element: Element) -> tuple[tuple[str, bytes], ...]:
    """A SEQUENCE OF Extension as (dotted OID, octets of extnValue)."""
    return tuple(map(_read_extension, element.expect(asn1.SEQUENCE).children))


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def _read_extension(element: Element) -> tuple[str, bytes]:
    fields = Fields(element)
    dotted = fields.take(asn1.OID).oid()
    fields.maybe(asn1.BOOLEAN)
    return dotted, fields.take(asn1.OCTET_STRING).octets()


class Extension(NamedTuple):
    """An Extension as it is written: its OID, the octets of its extnValue, and all of it encoded."""

    dotted: str
    value: bytes
    der: bytes


def write_extension(dotted: str, value: bytes, *, critical: bool = False) -> Extension:
    """An Extension."""
    der = asn1.sequence(asn1.oid(dotted), asn1.boolean(True) if critical else b"", asn1.octet_string(value))
    return Extension(dotted, value, der)


def write_certificate(
    *,
    subject_der: bytes,
    issuer_der: bytes,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    public_key_der: bytes,
    extensions: Sequence[Extension],
    key: RSAPrivateKey,
    digest: str = "sha256",
) -> Certificate:
    """A version 3 certificate signed by `key`; names are encoded Names."""
    algorithm, number = algorithms.signature_identifier(digest), asn1.integer(serial)
    body = asn1.sequence(
        asn1.explicit(0, asn1.integer(2)),
        number,
        algorithm,
        issuer_der,
        asn1.sequence(asn1.time(not_before), asn1.time(not_after)),
        subject_der,
        public_key_der,
        asn1.explicit(3, asn1.sequence(*(extension.der for extension in extensions))) if extensions else b"",
    )
    signature = algorithms.sign(key, digest, body)
    public_key = read_public_key.of(public_key_der)
    values = {extension.dotted: extension.value for extension in extensions}
    # As `read_certificate` would have it, which takes several times as long.
    return Certificate(
        der=asn1.sequence(body, algorithm, asn1.bit_string(signature)),
        subject=names.read_name.of(subject_der).text,
        issuer=names.read_name.of(issuer_der).text,
        serial=serial,
        not_before=not_before.astimezone(UTC).replace(microsecond=0),
        not_after=not_after.astimezone(UTC).replace(microsecond=0),
        key_bits=public_key.bits,
        public_key_der=public_key_der,
        is_ca=_is_ca(values.get(BASIC_CONSTRAINTS)),
        key_usage=_key_usage(values.get(KEY_USAGE)),
        subject_der=subject_der,
        issuer_der=issuer_der,
        issuer_and_serial=asn1.sequence(issuer_der, number),
        key_identifier=_key_identifier(values.get(SUBJECT_KEY_IDENTIFIER)),
        public_key=public_key,
        scheme=Scheme(digest),
        signed_part=body,
        signature=signature,
        oddities=tuple(_oddities(3, serial, (serial.bit_length() // 8) + 1, True, public_key)),
    )


def _extensions(elements: Iterable[Element]) -> dict[str, bytes]:
    for element in elements:
        if element.tag == asn1.CONTEXT_3:
            return dict(read_extensions(element.only_child()))
    return {}


def _soft(read: Callable[[_Given], _Read], given: _Given, name: str, oddities: list[str]) -> _Read | None:
    """What `read` makes of it; None and an oddity where that fails, since no extension is needed to verify a signature."""
    try:
        return read(given)
    except Malformed as error:
        oddities.append(f"{name} cannot be read: {error}")
        return None


def _oddities(version: int, serial: int, serial_octets: int, in_utc: bool, public_key: PublicKey) -> list[str]:
    found = [f"X.509 version {version}"] if version not in (1, 2, 3) else []
    if serial <= 0:
        found.append("serial number not positive")
    if serial_octets > _MAX_SERIAL:
        found.append(f"serial number longer than {_MAX_SERIAL} octets")
    if not in_utc:
        found.append("validity not in UTC")
    if public_key.is_slow:
        found.append("public exponent so long that nothing is verified with it")
    return found


def _is_ca(value: bytes | None) -> bool:
    return value is not None and _of_a_ca.of(value)


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def _of_a_ca(constraints: Element) -> bool:
    flag = Fields(constraints).maybe(asn1.BOOLEAN)
    return flag is not None and any(flag.content)


def _key_usage(value: bytes | None) -> frozenset[str] | None:
    return None if value is None else _usages.of(value)


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def _usages(element: Element) -> frozenset[str]:
    bits = int.from_bytes(element.bits()[:1], "big")
    return frozenset(usage for place, usage in enumerate(_USAGES) if bits & (0x80 >> place))


def _key_identifier(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    try:
        return asn1.read(value).expect(asn1.OCTET_STRING).octets()
    except Malformed:
        return value  # some issuers leave out the inner OCTET STRING
