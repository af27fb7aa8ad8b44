"""EnvelopedData and AuthEnvelopedData (RFC 5652 section 6, RFC 5083), read leniently; the first written in DER."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.frozen import frozen
from hil.scep import algorithms, cms, names
from hil.scep.algorithms import Undecryptable
from hil.scep.certificate import Certificate
from hil.scep.cms import AUTH_ENVELOPED_DATA, ENVELOPED_DATA

# Each may cost an RSA operation, so a hostile message may not have many.
MAX_RECIPIENTS = 10
# Octets of content after which no further recipient or key is tried: triple DES takes its time.
MAX_DECRYPTED = 4 * 1024 * 1024
_DEFAULT_TAG_SIZE, _TAG_SIZES = 12, range(12, 17)
_NONCE_OF_GO = 0x84
_OTHER_RECIPIENTS = {asn1.CONTEXT_1: "key agreement", asn1.CONTEXT_2: "a shared key", asn1.CONTEXT_3: "password"}
_RC2_VERSIONS = {160: 40, 120: 64, 58: 128}  # effective key bits, RFC 2268 section 6
_Believed = TypeVar("_Believed")
_RC2_BITS, _RC2_WITHOUT_VERSION = 128, 32


@frozen
class Recipient:
    """One KeyTransRecipientInfo; named by `issuer_and_serial` or by `key_identifier`; `algorithm` is its AlgorithmIdentifier."""

    issuer_and_serial: bytes | None
    key_identifier: bytes | None
    algorithm: Element
    encrypted_key: bytes

    @property
    def key_transport(self) -> str:
        """rsaEncryption, rsaesOaep, or an OID."""
        dotted = algorithms.named_oid(self.algorithm)
        return algorithms.KEY_TRANSPORTS.get(dotted, dotted)

    def names(self, certificate: Certificate) -> bool:
        """Whether the certificate is the one that this recipient is named by."""
        return certificate.is_named(self.issuer_and_serial, self.key_identifier)

    @property
    def name(self) -> str:
        """Whom it names, in words."""
        if self.issuer_and_serial is None:
            return f"the key with the identifier {(self.key_identifier or b'').hex()}"
        fields = Fields(asn1.read(self.issuer_and_serial))
        try:
            issuer = names.read_name(fields.take(asn1.SEQUENCE)).text
            return f"the certificate {fields.take(asn1.INTEGER).integer():x} of {issuer}"
        except Malformed:
            return "a recipient whose name cannot be read"


@frozen
class EnvelopedData:
    """An EnvelopedData or AuthEnvelopedData with its key transport recipients; `iv` is the nonce where the cipher is GCM.

    `tag` and `associated` are the MAC and what it covers beside the content, empty without GCM.
    `notes` say which departures the reading had to allow; `others` counts the recipients by other means.
    """

    recipients: tuple[Recipient, ...]
    content_cipher: str
    iv: bytes
    encrypted: bytes = field(repr=False)
    tag: bytes = b""
    associated: bytes = b""
    others: int = 0
    notes: tuple[str, ...] = ()

    def open(self, keys: Iterable[RSAPrivateKey], believe: Callable[[bytes], _Believed | None]) -> _Believed:
        """What `believe` makes of the content, by the first key that opens it to something; else `Undecryptable`."""
        left = MAX_DECRYPTED
        for key in keys:
            for recipient in self.recipients:
                if left <= 0:
                    raise Undecryptable
                try:
                    content_key = algorithms.decrypt_key(key, recipient.algorithm, recipient.encrypted_key)
                    left -= len(self.encrypted)
                    content = self._decrypt(content_key)
                except Undecryptable:
                    continue
                believed = believe(content)
                if believed is not None:
                    return believed
        raise Undecryptable

    @property
    def readable(self) -> bool:
        """Whether the content's cipher is one that can be decrypted here."""
        return self.content_cipher in algorithms.READABLE_CIPHERS

    def _decrypt(self, key: bytes) -> bytes:
        if self.content_cipher in algorithms.GCM_CIPHERS:
            return algorithms.decrypt_gcm(self.content_cipher, key, self.iv, self.encrypted, self.tag, self.associated)
        return algorithms.decrypt(self.content_cipher, key, self.iv, self.encrypted)


def read_envelope(element: Element) -> EnvelopedData:
    """A ContentInfo that holds EnvelopedData or AuthEnvelopedData; raises `Malformed`."""
    kind = Fields(element).take(asn1.OID).oid()
    authenticated = kind == AUTH_ENVELOPED_DATA
    fields = Fields(cms.content_of(element, AUTH_ENVELOPED_DATA if authenticated else ENVELOPED_DATA))
    fields.take(asn1.INTEGER)
    fields.maybe(asn1.CONTEXT_0)
    recipients = cms.few(fields.take(asn1.SET).children, MAX_RECIPIENTS, "recipients")
    encrypted = Fields(fields.take(asn1.SEQUENCE))
    encrypted.take(asn1.OID)
    algorithm = Fields(encrypted.take(asn1.SEQUENCE))
    cipher = algorithms.cipher_name(algorithm.take(asn1.OID).oid())
    content = encrypted.take(asn1.CONTEXT_0)
    notes = ["encryptedContent is constructed"] if content.constructed else []
    transported = tuple(_recipient(child) for child in recipients if child.tag == asn1.SEQUENCE)
    others = [child.tag for child in recipients if child.tag != asn1.SEQUENCE]
    notes += [f"a recipient by {_OTHER_RECIPIENTS.get(tag, 'other means')}" for tag in others]
    iv = tag = associated = b""
    octets = content.octets()
    if cipher in algorithms.GCM_CIPHERS:
        iv, tag_size, odd = _gcm_parameters(algorithm)
        notes += odd
        if authenticated:
            tag, associated = _mac(fields)
        else:
            notes.append("AES-GCM in an EnvelopedData, its tag after the content")
            octets, tag = octets[:-tag_size], octets[-tag_size:]
    else:
        cipher, iv = _block_cipher(cipher, algorithm)
    return EnvelopedData(transported, cipher, iv, octets, tag, associated, len(others), tuple(notes))


def _block_cipher(name: str, algorithm: Fields) -> tuple[str, bytes]:
    """A cipher's name and initialisation vector by its parameters; RC2 (RFC 2268), CAST5 and IDEA have a SEQUENCE there.

    RC2 with other than 128 effective key bits is named for them, as rc2-40-cbc.
    """
    parameters = algorithm.maybe(asn1.OCTET_STRING, asn1.SEQUENCE)
    if parameters is None or parameters.tag == asn1.OCTET_STRING:
        return name, parameters.octets() if parameters else b""
    found = {child.tag: child for child in parameters.children}
    if name == "rc2-cbc":
        version = found[asn1.INTEGER].small() if asn1.INTEGER in found else _RC2_WITHOUT_VERSION
        bits = _RC2_VERSIONS.get(version, version)
        name = name if bits == _RC2_BITS else f"rc2-{bits}-cbc"
    return name, found[asn1.OCTET_STRING].octets() if asn1.OCTET_STRING in found else b""


def _mac(fields: Fields) -> tuple[bytes, bytes]:
    """MAC of an AuthEnvelopedData, and the octets that it covers beside the content (RFC 5083 section 2.2)."""
    attributes = fields.maybe(asn1.CONTEXT_1)
    associated = asn1.set_of(child.raw for child in attributes.children) if attributes else b""
    return fields.take(asn1.OCTET_STRING).octets(), associated


def _gcm_parameters(algorithm: Fields) -> tuple[bytes, int, tuple[str, ...]]:
    """Nonce and tag size of GCMParameters (RFC 5084 section 3.2), and notes.

    The pkcs7 libraries of Go encode them twice, the outer SEQUENCE primitive, with the nonce tagged [4].
    """
    element = algorithm.take(asn1.SEQUENCE)
    notes = []
    if element.body == element.stop:
        raise Malformed("GCMParameters without a nonce")
    inner = asn1.read(element.content)
    if inner.tag == asn1.SEQUENCE:
        notes.append("GCMParameters are encoded twice")
        element = inner
    fields = Fields(element)
    nonce = fields.take(asn1.OCTET_STRING, _NONCE_OF_GO)
    if nonce.tag == _NONCE_OF_GO:
        notes.append("the nonce in GCMParameters is tagged [4]")
    size = fields.maybe(asn1.INTEGER)
    tag_size = size.small() if size else _DEFAULT_TAG_SIZE
    if tag_size not in _TAG_SIZES:
        raise Malformed(f"authentication tag of {tag_size} octets")
    return nonce.octets(), tag_size, tuple(notes)


def write_enveloped_data(content: bytes, recipient: Certificate, cipher: str) -> bytes:
    """EnvelopedData in DER for one recipient, RSA PKCS#1 v1.5 key transport."""
    key, algorithm, encrypted = algorithms.encrypt(cipher, content)
    recipient_info = asn1.sequence(
        asn1.integer(0),
        recipient.issuer_and_serial,
        algorithms.rsa_identifier(),
        asn1.octet_string(recipient.public_key.encrypt_key(key)),
    )
    encrypted_content = asn1.sequence(asn1.oid(cms.DATA), algorithm, asn1.tlv(0x80, encrypted))
    body = asn1.sequence(asn1.integer(0), asn1.tlv(0x31, recipient_info), encrypted_content)
    return asn1.sequence(asn1.oid(ENVELOPED_DATA), asn1.explicit(0, body))


def _recipient(element: Element) -> Recipient:
    fields = Fields(element)
    fields.take(asn1.INTEGER)
    identifier = fields.take(asn1.SEQUENCE, asn1.CONTEXT_0)
    algorithm = fields.take(asn1.SEQUENCE)
    by_name = identifier.tag == asn1.SEQUENCE
    return Recipient(
        issuer_and_serial=cms.issuer_and_serial_of(identifier) if by_name else None,
        key_identifier=None if by_name else identifier.octets(),
        algorithm=algorithm,
        encrypted_key=fields.take(asn1.OCTET_STRING).octets(),
    )
