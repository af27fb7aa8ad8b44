"""Public keys and the signatures that they verify, read from their structure however odd what holds them.

Signature algorithms: RSA PKCS #1 v1.5 and RSASSA-PSS (RFC 4055 section 3), ECDSA and DSA (RFC 5758), Ed25519 (RFC 8410).
"""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.errors import Misuse
from hil.frozen import frozen
from hil.scep import algorithms
from hil.scep.remembering import remembering

RSASSA_PSS = "1.2.840.113549.1.1.10"
_RSA = frozenset((algorithms.RSA_ENCRYPTION, algorithms.RSAES_OAEP, RSASSA_PSS, "2.5.8.1.1"))
_EC, _DSA, _ED25519 = "1.2.840.10045.2.1", "1.2.840.10040.4.1", "1.3.101.112"
_CURVE_BITS = {
    "1.2.840.10045.3.1.1": 192,
    "1.3.132.0.33": 224,
    "1.2.840.10045.3.1.7": 256,
    "1.3.132.0.10": 256,
    "1.3.132.0.34": 384,
    "1.3.132.0.35": 521,
    "1.3.36.3.3.2.8.1.1.7": 256,
    "1.3.36.3.3.2.8.1.1.11": 384,
    "1.3.36.3.3.2.8.1.1.13": 512,
}
_PSS_SALT, _PSS_TRAILER = 20, 1
_VERIFYING = ("rsa", "ec", "dsa", "ed25519")
_MOST_KNOWN, _LONGEST_KNOWN = 256, 1024
_MAX_EXPONENT = 64  # bits; OpenSSL's own limit for keys of more than 3072 bits
_MAX_RSA = 2049  # octets of a modulus of 16384 bits, the longest that OpenSSL reckons with, and its sign


@frozen
class Scheme:
    """A signature algorithm: the `digest` that it names (None: rsaEncryption and the like name none), and what PSS adds."""

    digest: str | None
    mask_digest: str | None = None
    salt_size: int = 0

    def over(self, digest: str) -> Scheme:
        """The scheme where it names a digest, else the same over this one."""
        return self if self.digest else Scheme(digest, self.mask_digest, self.salt_size)

    @property
    def rsa_padding(self) -> padding.AsymmetricPadding:
        """What an RSA signature of this scheme is padded with."""
        if self.mask_digest is None:
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(algorithms.new_hash(self.mask_digest)), self.salt_size)


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def read_scheme(algorithm: Element) -> Scheme:
    """The signature algorithm of an AlgorithmIdentifier, with no digest where its OID names none or is unknown.

    RSASSA-PSS by parameters that no standard has gets its OID for a digest, so that it verifies nothing.
    """
    fields = Fields(algorithm)
    dotted = fields.take(asn1.OID).oid()
    if dotted != RSASSA_PSS:
        return Scheme(algorithms.signature_digest(dotted))
    digest = mask_digest = "sha1"
    salt, trailer = _PSS_SALT, _PSS_TRAILER
    parameters = fields.maybe(asn1.SEQUENCE)
    for parameter in parameters.children if parameters else ():
        if parameter.tag == asn1.CONTEXT_0:
            digest = algorithms.named_digest(parameter.only_child())
        elif parameter.tag == asn1.CONTEXT_1:
            mask_digest = algorithms.mask_digest(parameter.only_child())
        elif parameter.tag == asn1.CONTEXT_2:
            salt = parameter.only_child().small()
        elif parameter.tag == asn1.CONTEXT_3:
            trailer = parameter.only_child().small()
    return Scheme(digest, mask_digest, salt) if salt >= 0 and trailer == _PSS_TRAILER else Scheme(RSASSA_PSS)


def read_signature(fields: Fields) -> tuple[str, Scheme, bytes]:
    """Digest (its OID where unknown), scheme and octets of the signature that ends a certificate, CRL or CSR."""
    algorithm = fields.take(asn1.SEQUENCE)
    scheme = read_scheme(algorithm)
    digest = scheme.digest or algorithms.digest_name(algorithms.named_oid(algorithm))
    return digest, scheme.over(digest), fields.take(asn1.BIT_STRING).bits()


@frozen
class PublicKey:
    """A SubjectPublicKeyInfo read from its structure, however odd the certificate around it."""

    der: bytes
    algorithm: str
    bits: int
    rsa: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def is_slow(self) -> bool:
        """Whether the key's public exponent is longer than any that is in use, so that a message full of them takes seconds."""
        return self.rsa is not None and self.rsa[1].bit_length() > _MAX_EXPONENT

    def verifies(self, scheme: Scheme, signature: bytes, data: bytes) -> bool:
        """Whether `signature` over `data` is this key's; never where the key `is_slow`."""
        if self.is_slow or self.algorithm not in _VERIFYING:
            return False
        if scheme.digest not in algorithms.READABLE_DIGESTS or scheme.mask_digest not in (None, *algorithms.READABLE_DIGESTS):
            return False
        digest = algorithms.new_hash(scheme.digest)
        try:
            key = self._loaded
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, scheme.rsa_padding, digest)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(digest))
            elif isinstance(key, dsa.DSAPublicKey):
                key.verify(signature, data, digest)
            elif isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            else:
                return False
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    @cached_property
    def _loaded(self) -> PublicKeyTypes:
        """As OpenSSL has it: what it reckons for a key's first use serves all later ones."""
        return rsa.RSAPublicNumbers(self.rsa[1], self.rsa[0]).public_key() if self.rsa else load_der_public_key(self.der)

    @cached_property
    def identifier(self) -> bytes:
        """The key identifier that RFC 5280 section 4.2.1.2 names first: SHA-1 over the bits of the key."""
        fields = Fields(asn1.read(self.der))
        fields.take(asn1.SEQUENCE)
        return algorithms.digest_of("sha1", fields.take(asn1.BIT_STRING).bits())

    def encrypt_key(self, content_key: bytes) -> bytes:
        """RSA PKCS#1 v1.5 key transport (RFC 5652 section 6.2.1)."""
        if self.rsa is None:
            raise Misuse(f"key of type {self.algorithm} cannot receive an envelope", remedy="use a certificate with an RSA key")
        return cast(rsa.RSAPublicKey, self._loaded).encrypt(content_key, padding.PKCS1v15())


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def read_public_key(element: Element) -> PublicKey:
    """A SubjectPublicKeyInfo; `algorithm` is rsa, ec, dsa, ed25519 or a dotted OID, `bits` 0 where unknown."""
    fields = Fields(element)
    algorithm = Fields(fields.take(asn1.SEQUENCE))
    dotted = algorithm.take(asn1.OID).oid()
    bits = fields.take(asn1.BIT_STRING).bits()
    if dotted in _RSA:
        numbers = Fields(asn1.read(bits))
        modulus, exponent = (numbers.take(asn1.INTEGER).integer(_MAX_RSA) for _ in range(2))
        if modulus <= 0 or exponent <= 0:
            raise Malformed("RSA key with a number that is not positive")
        return PublicKey(element.raw, "rsa", modulus.bit_length(), (modulus, exponent))
    if dotted == _EC:
        curve = algorithm.maybe(asn1.OID)
        return PublicKey(element.raw, "ec", _CURVE_BITS.get(curve.oid(), 0) if curve else 0)
    if dotted == _DSA:
        domain = algorithm.maybe(asn1.SEQUENCE)
        return PublicKey(element.raw, "dsa", Fields(domain).take(asn1.INTEGER).integer().bit_length() if domain else 0)
    return PublicKey(element.raw, "ed25519", 256) if dotted == _ED25519 else PublicKey(element.raw, dotted, 0)
