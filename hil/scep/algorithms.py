"""Digests, ciphers, key transport and signatures that SCEP peers use, over the primitives of `cryptography`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import CAST5, IDEA, RC2, SEED, Blowfish, Camellia, TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hil import asn1
from hil.asn1 import Element, Fields
from hil.errors import Misuse
from hil.scep.remembering import remembering

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
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
_READ_ONLY_DIGESTS: dict[str, tuple[str, type[hashes.HashAlgorithm]]] = {
    "sha512-224": ("2.16.840.1.101.3.4.2.5", hashes.SHA512_224),
    "sha512-256": ("2.16.840.1.101.3.4.2.6", hashes.SHA512_256),
    "sha3-224": ("2.16.840.1.101.3.4.2.7", hashes.SHA3_224),
    "sha3-256": ("2.16.840.1.101.3.4.2.8", hashes.SHA3_256),
    "sha3-384": ("2.16.840.1.101.3.4.2.9", hashes.SHA3_384),
    "sha3-512": ("2.16.840.1.101.3.4.2.10", hashes.SHA3_512),
}
_READABLE_DIGESTS = _DIGESTS | _READ_ONLY_DIGESTS
READABLE_DIGESTS = frozenset(_READABLE_DIGESTS)
_DIGEST_NAMES = {dotted: name for name, (dotted, _) in _READABLE_DIGESTS.items()} | {
    "1.2.840.113549.2.2": "md2",
    "1.2.840.113549.2.4": "md4",
    "1.3.36.3.2.1": "ripemd160",
}
_RSA_SIGNATURES = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_SIGNATURE_DIGESTS = {dotted: name for name, dotted in _RSA_SIGNATURES.items()} | {
    "1.2.840.113549.1.1.2": "md2",
    "1.2.840.113549.1.1.3": "md4",
    "1.3.14.3.2.3": "md5",
    "1.3.36.3.3.1.2": "ripemd160",
    "1.3.14.3.2.29": "sha1",
    "1.2.840.113549.1.1.15": "sha512-224",
    "1.2.840.113549.1.1.16": "sha512-256",
    "2.16.840.1.101.3.4.3.13": "sha3-224",
    "2.16.840.1.101.3.4.3.14": "sha3-256",
    "2.16.840.1.101.3.4.3.15": "sha3-384",
    "2.16.840.1.101.3.4.3.16": "sha3-512",
    "1.2.840.10040.4.3": "sha1",
    "2.16.840.1.101.3.4.3.1": "sha224",
    "2.16.840.1.101.3.4.3.2": "sha256",
    "1.3.101.112": "sha512",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}


@dataclass(frozen=True)
class _ContentCipher:
    oid: str
    key_sizes: range
    block_size: int
    algorithm: Callable[[bytes], CipherAlgorithm]

    def cipher(self, key: bytes, iv: bytes) -> Cipher[modes.CBC]:
        # Single DES is triple DES with one key thrice; OpenSSL 3 has it only in its legacy provider.
        return Cipher(self.algorithm(key * 3 if len(key) == 8 and self.algorithm is TripleDES else key), modes.CBC(iv))


def _of(size: int) -> range:
    return range(size, size + 1)


_CIPHERS = {
    "des-cbc": _ContentCipher("1.3.14.3.2.7", _of(8), 8, TripleDES),
    "des-ede3-cbc": _ContentCipher("1.2.840.113549.3.7", _of(24), 8, TripleDES),
    "aes-128-cbc": _ContentCipher("2.16.840.1.101.3.4.1.2", _of(16), 16, algorithms.AES),
    "aes-192-cbc": _ContentCipher("2.16.840.1.101.3.4.1.22", _of(24), 16, algorithms.AES),
    "aes-256-cbc": _ContentCipher("2.16.840.1.101.3.4.1.42", _of(32), 16, algorithms.AES),
}
CIPHERS = tuple(_CIPHERS)
_READ_ONLY_CIPHERS = {
    "bf-cbc": _ContentCipher("1.3.6.1.4.1.3029.1.2", range(4, 57), 8, Blowfish),
    "camellia-128-cbc": _ContentCipher("1.2.392.200011.61.1.1.1.2", _of(16), 16, Camellia),
    "camellia-192-cbc": _ContentCipher("1.2.392.200011.61.1.1.1.3", _of(24), 16, Camellia),
    "camellia-256-cbc": _ContentCipher("1.2.392.200011.61.1.1.1.4", _of(32), 16, Camellia),
    "cast5-cbc": _ContentCipher("1.2.840.113533.7.66.10", range(5, 17), 8, CAST5),
    "idea-cbc": _ContentCipher("1.3.6.1.4.1.188.7.1.1.2", _of(16), 8, IDEA),
    "rc2-cbc": _ContentCipher("1.2.840.113549.3.2", _of(16), 8, RC2),
    "seed-cbc": _ContentCipher("1.2.410.200004.1.4", _of(16), 16, SEED),
}
_READABLE_CIPHERS = _CIPHERS | _READ_ONLY_CIPHERS
_GCM = {
    "2.16.840.1.101.3.4.1.6": ("aes-128-gcm", 16),
    "2.16.840.1.101.3.4.1.26": ("aes-192-gcm", 24),
    "2.16.840.1.101.3.4.1.46": ("aes-256-gcm", 32),
}
_GCM_KEY_SIZES = dict(_GCM.values())
GCM_CIPHERS = tuple(_GCM_KEY_SIZES)
TAKEN_CIPHERS = frozenset((*CIPHERS, *GCM_CIPHERS))
READABLE_CIPHERS = frozenset((*_READABLE_CIPHERS, *GCM_CIPHERS))
_CIPHER_NAMES = (
    {cipher.oid: name for name, cipher in _READABLE_CIPHERS.items()}
    | {dotted: name for dotted, (name, _) in _GCM.items()}
    | {
        "1.3.14.3.2.6": "des-ecb",
        "1.3.14.3.2.8": "des-ofb",
        "1.3.14.3.2.9": "des-cfb",
        "1.3.14.3.2.17": "des-ede",
        "1.2.840.113549.3.4": "rc4",
        "1.2.840.113549.3.9": "rc5-cbc",
        "1.2.840.113549.1.9.16.3.18": "chacha20-poly1305",
        "2.16.840.1.101.3.4.1.7": "aes-128-ccm",
        "2.16.840.1.101.3.4.1.27": "aes-192-ccm",
        "2.16.840.1.101.3.4.1.47": "aes-256-ccm",
    }
)


class Undecryptable(Exception):
    """Key transport or content decryption did not come out; carries no reason on purpose (padding oracle)."""


def public_key_der(key: rsa.RSAPrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of a private key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def new_hash(digest: str) -> hashes.HashAlgorithm:
    """The hash algorithm of a digest's name."""
    if digest not in _READABLE_DIGESTS:
        raise Misuse(f"unknown digest {digest}", remedy=f"use one of {', '.join(DIGESTS)}")
    return _READABLE_DIGESTS[digest][1]()


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
    key, iv = os.urandom(chosen.key_sizes.start), os.urandom(chosen.block_size)
    pad = chosen.block_size - len(content) % chosen.block_size
    context = chosen.cipher(key, iv).encryptor()
    encrypted = context.update(content + bytes((pad,)) * pad) + context.finalize()
    return key, asn1.sequence(asn1.oid(chosen.oid), asn1.octet_string(iv)), encrypted


def decrypt(cipher: str, key: bytes, iv: bytes, encrypted: bytes) -> bytes:
    """The content without its padding; `Undecryptable` whatever is wrong."""
    chosen = _READABLE_CIPHERS.get(cipher)
    if (
        chosen is None
        or len(key) not in chosen.key_sizes
        or len(iv) != chosen.block_size
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


@remembering(64, 64)
def named_oid(algorithm: Element) -> str:
    """The OID of an AlgorithmIdentifier."""
    return Fields(algorithm).take(asn1.OID).oid()


def decrypt_key(key: rsa.RSAPrivateKey, algorithm: Element, encrypted_key: bytes) -> bytes:
    """The content key of a KeyTransRecipientInfo, by the AlgorithmIdentifier given.

    A wrong private key may well return random octets (OpenSSL's implicit rejection): belief is for
    the caller, once the content shows its structure.
    """
    try:
        return key.decrypt(encrypted_key, _transport_padding(algorithm))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Undecryptable from error


@remembering(64, 256)
def _transport_padding(algorithm: Element) -> padding.AsymmetricPadding:
    fields = Fields(algorithm)
    dotted = fields.take(asn1.OID).oid()
    if dotted == RSA_ENCRYPTION:
        return padding.PKCS1v15()
    if dotted != RSAES_OAEP:
        raise Undecryptable
    digest = mask = "sha1"
    label = b""
    parameters = fields.maybe(asn1.SEQUENCE)
    for parameter in parameters.children if parameters else ():
        inner = parameter.only_child()
        if parameter.tag == asn1.CONTEXT_0:
            digest = named_digest(inner)
        elif parameter.tag == asn1.CONTEXT_1:
            mask = mask_digest(inner)
        elif parameter.tag == asn1.CONTEXT_2:
            named = Fields(inner)
            named.take(asn1.OID)
            label = named.take(asn1.OCTET_STRING).octets()
    if digest not in _READABLE_DIGESTS or mask not in _READABLE_DIGESTS:
        raise Undecryptable
    return padding.OAEP(padding.MGF1(new_hash(mask)), new_hash(digest), label or None)


@remembering(64, 64)
def named_digest(algorithm: Element) -> str:
    """The digest's name of its AlgorithmIdentifier."""
    return digest_name(named_oid(algorithm))


def mask_digest(algorithm: Element) -> str:
    """The digest that a mask generation function uses, of its AlgorithmIdentifier; its OID where it is not MGF1."""
    fields = Fields(algorithm)
    dotted = fields.take(asn1.OID).oid()
    return named_digest(fields.take(asn1.SEQUENCE)) if dotted == MGF1 else dotted
