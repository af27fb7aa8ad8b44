"""Digests, ciphers, key transport and signatures that SCEP peers use, over the primitives of `cryptography`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.errors import Misuse

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
KEY_TRANSPORTS = {RSA_ENCRYPTION: "rsaEncryption", RSAES_OAEP: "rsaesOaep"}

_DIGESTS: dict[str, tuple[str, type[hashes.HashAlgorithm]]] = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1),
    "sha224": ("2.16.840.1.101.3.4.2.4", hashes.SHA224),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512),
}
DIGESTS = tuple(_DIGESTS)
_DIGEST_NAMES = {dotted: name for name, (dotted, _) in _DIGESTS.items()}
_RSA_SIGNATURES = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_SIGNATURE_DIGESTS = {dotted: name for name, dotted in _RSA_SIGNATURES.items()} | {
    "1.3.14.3.2.29": "sha1",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}


@dataclass(frozen=True)
class _ContentCipher:
    oid: str
    key_size: int
    block_size: int
    algorithm: type[CipherAlgorithm]

    def cipher(self, key: bytes, iv: bytes) -> Cipher[modes.CBC]:
        # Single DES is triple DES with one key thrice; OpenSSL 3 has it only in its legacy provider.
        key = key * 3 if self.key_size == 8 else key
        algorithm = TripleDES(key) if self.algorithm is TripleDES else algorithms.AES(key)
        return Cipher(algorithm, modes.CBC(iv))


_CIPHERS = {
    "des-cbc": _ContentCipher("1.3.14.3.2.7", 8, 8, TripleDES),
    "des-ede3-cbc": _ContentCipher("1.2.840.113549.3.7", 24, 8, TripleDES),
    "aes-128-cbc": _ContentCipher("2.16.840.1.101.3.4.1.2", 16, 16, algorithms.AES),
    "aes-192-cbc": _ContentCipher("2.16.840.1.101.3.4.1.22", 24, 16, algorithms.AES),
    "aes-256-cbc": _ContentCipher("2.16.840.1.101.3.4.1.42", 32, 16, algorithms.AES),
}
CIPHERS = tuple(_CIPHERS)
_GCM = {
    "2.16.840.1.101.3.4.1.6": ("aes-128-gcm", 16),
    "2.16.840.1.101.3.4.1.26": ("aes-192-gcm", 24),
    "2.16.840.1.101.3.4.1.46": ("aes-256-gcm", 32),
}
_GCM_KEY_SIZES = dict(_GCM.values())
GCM_CIPHERS = tuple(_GCM_KEY_SIZES)
_CIPHER_NAMES = {cipher.oid: name for name, cipher in _CIPHERS.items()} | {dotted: name for dotted, (name, _) in _GCM.items()}


class Undecryptable(Exception):
    """Key transport or content decryption did not come out; carries no reason on purpose (padding oracle)."""


@dataclass(frozen=True)
class PublicKey:
    """A SubjectPublicKeyInfo read from its structure, however odd the certificate around it."""

    der: bytes
    algorithm: str
    bits: int
    rsa: tuple[int, int] | None = field(repr=False)

    @property
    def is_slow(self) -> bool:
        """Whether the key's public exponent is longer than any that is in use, so that a message full of them takes seconds."""
        return self.rsa is not None and self.rsa[1].bit_length() > _MAX_EXPONENT

    def verifies(self, digest: str, signature: bytes, data: bytes) -> bool:
        """Whether `signature` over `data` is this key's: RSA PKCS#1 v1.5, or ECDSA; never where the key `is_slow`."""
        if digest not in _DIGESTS or self.is_slow:
            return False
        algorithm = new_hash(digest)
        try:
            key = rsa.RSAPublicNumbers(self.rsa[1], self.rsa[0]).public_key() if self.rsa else load_der_public_key(self.der)
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, padding.PKCS1v15(), algorithm)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(algorithm))
            else:
                return False
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def encrypt_key(self, content_key: bytes) -> bytes:
        """RSA PKCS#1 v1.5 key transport (RFC 5652 section 6.2.1)."""
        if self.rsa is None:
            raise Misuse(f"key of type {self.algorithm} cannot receive an envelope", remedy="use a certificate with an RSA key")
        return rsa.RSAPublicNumbers(self.rsa[1], self.rsa[0]).public_key().encrypt(content_key, padding.PKCS1v15())


_MAX_EXPONENT = 64  # bits; OpenSSL's own limit for keys of more than 3072 bits
# Octets of a modulus of 16384 bits, the longest that OpenSSL reckons with, and its sign.
_MAX_RSA = 2049
_CURVE_BITS = {"1.2.840.10045.3.1.7": 256, "1.3.132.0.34": 384, "1.3.132.0.35": 521}


def read_public_key(element: Element) -> PublicKey:
    """A SubjectPublicKeyInfo; `algorithm` is rsa, ec or a dotted OID, `bits` 0 where unknown."""
    fields = Fields(element)
    algorithm = Fields(fields.take(asn1.SEQUENCE))
    dotted = algorithm.take(asn1.OID).oid()
    bits = fields.take(asn1.BIT_STRING).bits()
    if dotted == RSA_ENCRYPTION:
        numbers = Fields(asn1.read(bits))
        modulus, exponent = (numbers.take(asn1.INTEGER).integer(_MAX_RSA) for _ in range(2))
        if modulus <= 0 or exponent <= 0:
            raise Malformed("RSA key with a number that is not positive")
        return PublicKey(element.raw, "rsa", modulus.bit_length(), (modulus, exponent))
    if dotted == EC_PUBLIC_KEY:
        curve = algorithm.maybe(asn1.OID)
        return PublicKey(element.raw, "ec", _CURVE_BITS.get(curve.oid(), 0) if curve else 0, None)
    return PublicKey(element.raw, dotted, 0, None)


def public_key_der(key: rsa.RSAPrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of a private key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_hash(digest: str) -> hashes.HashAlgorithm:
    """The hash algorithm of a digest's name."""
    if digest not in _DIGESTS:
        raise Misuse(f"unknown digest {digest}", remedy=f"use one of {', '.join(DIGESTS)}")
    return _DIGESTS[digest][1]()


def digest_of(digest: str, *parts: bytes) -> bytes:
    """The digest of the joined parts."""
    context = hashes.Hash(new_hash(digest))
    for part in parts:
        context.update(part)
    return context.finalize()


def digest_name(dotted: str) -> str:
    """md5, sha1, ... for a digest's OID, or for a signature's that implies one; the OID itself where unknown."""
    return _DIGEST_NAMES.get(dotted) or _SIGNATURE_DIGESTS.get(dotted, dotted)


def signature_digest(dotted: str) -> str | None:
    """The digest that a signature algorithm names, None where it names none (rsaEncryption) or is unknown."""
    return _SIGNATURE_DIGESTS.get(dotted)


def cipher_name(dotted: str) -> str:
    """des-cbc, aes-128-cbc, ... for an OID; the OID itself where unknown."""
    return _CIPHER_NAMES.get(dotted, dotted)


@lru_cache(maxsize=32)
def digest_identifier(digest: str) -> bytes:
    """AlgorithmIdentifier of a digest, with NULL."""
    new_hash(digest)
    return asn1.sequence(asn1.oid(_DIGESTS[digest][0]), asn1.null())


@lru_cache(maxsize=32)
def signature_identifier(digest: str) -> bytes:
    """AlgorithmIdentifier of an RSA signature with this digest, as certificates and CSRs have it."""
    new_hash(digest)
    return asn1.sequence(asn1.oid(_RSA_SIGNATURES[digest]), asn1.null())


@lru_cache(maxsize=1)
def rsa_identifier() -> bytes:
    """AlgorithmIdentifier rsaEncryption with NULL; the only SignerInfo signature algorithm that every peer takes."""
    return asn1.sequence(asn1.oid(RSA_ENCRYPTION), asn1.null())


def sign(key: rsa.RSAPrivateKey, digest: str, data: bytes) -> bytes:
    """RSA PKCS#1 v1.5 signature."""
    return key.sign(data, padding.PKCS1v15(), new_hash(digest))


def encrypt(cipher: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    """A fresh key, the AlgorithmIdentifier with a fresh IV, and the content encrypted with PKCS#7 padding."""
    if cipher not in _CIPHERS:
        raise Misuse(f"unknown content cipher {cipher}", remedy=f"use one of {', '.join(CIPHERS)}")
    chosen = _CIPHERS[cipher]
    key, iv = os.urandom(chosen.key_size), os.urandom(chosen.block_size)
    pad = chosen.block_size - len(content) % chosen.block_size
    context = chosen.cipher(key, iv).encryptor()
    encrypted = context.update(content + bytes((pad,)) * pad) + context.finalize()
    return key, asn1.sequence(asn1.oid(chosen.oid), asn1.octet_string(iv)), encrypted


def decrypt(cipher: str, key: bytes, iv: bytes, encrypted: bytes) -> bytes:
    """The content without its padding; `Undecryptable` whatever is wrong."""
    chosen = _CIPHERS.get(cipher)
    if (
        chosen is None
        or (len(key), len(iv)) != (chosen.key_size, chosen.block_size)
        or not encrypted
        or len(encrypted) % chosen.block_size
    ):
        raise Undecryptable
    context = chosen.cipher(key, iv).decryptor()
    content = context.update(encrypted) + context.finalize()
    pad = content[-1]
    if not 1 <= pad <= chosen.block_size or content[-pad:] != bytes((pad,)) * pad:
        raise Undecryptable
    return content[:-pad]


def decrypt_gcm(cipher: str, key: bytes, nonce: bytes, encrypted: bytes, tag: bytes, associated: bytes) -> bytes:
    """The content that AES-GCM vouches for (RFC 5084 section 3.2); `Undecryptable` whatever is wrong."""
    if len(key) != _GCM_KEY_SIZES[cipher] or not 8 <= len(nonce) <= 128 or not 12 <= len(tag) <= 16:
        raise Undecryptable
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, tag, min_tag_length=12)).decryptor()
    decryptor.authenticate_additional_data(associated)
    try:
        return decryptor.update(encrypted) + decryptor.finalize()
    except InvalidTag as error:
        raise Undecryptable from error


def decrypt_key(key: rsa.RSAPrivateKey, algorithm: Element, encrypted_key: bytes) -> bytes:
    """The content key of a KeyTransRecipientInfo, by the AlgorithmIdentifier given.

    A wrong private key may well return random octets (OpenSSL's implicit rejection): belief is for
    the caller, once the content shows its structure.
    """
    try:
        return key.decrypt(encrypted_key, _transport_padding(algorithm))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Undecryptable from error


def _transport_padding(algorithm: Element) -> padding.AsymmetricPadding:
    fields = Fields(algorithm)
    dotted = fields.take(asn1.OID).oid()
    if dotted == RSA_ENCRYPTION:
        return padding.PKCS1v15()
    if dotted != RSAES_OAEP:
        raise Undecryptable
    digest = mask_digest = "sha1"
    label = b""
    parameters = fields.maybe(asn1.SEQUENCE)
    for parameter in parameters.children if parameters else ():
        inner = Fields(parameter.only_child())
        named = inner.take(asn1.OID).oid()
        if parameter.tag == asn1.CONTEXT_0:
            digest = digest_name(named)
        elif parameter.tag == asn1.CONTEXT_1 and named == MGF1:
            mask_digest = digest_name(Fields(inner.take(asn1.SEQUENCE)).take(asn1.OID).oid())
        elif parameter.tag == asn1.CONTEXT_2:
            label = inner.take(asn1.OCTET_STRING).octets()
    if digest not in _DIGESTS or mask_digest not in _DIGESTS:
        raise Undecryptable
    return padding.OAEP(padding.MGF1(new_hash(mask_digest)), new_hash(digest), label or None)
