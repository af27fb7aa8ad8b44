"""Private keys that open envelopes, from PEM or DER files.

Beside what `cryptography` loads, PEM that OpenSSL's old way encrypted with an empty password: that is how
micromdm's scepserver writes its CA's key by default, and OpenSSL itself asks for at least four characters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from hil.errors import Misuse

OLD_PEM = re.compile(
    rb"-----BEGIN RSA PRIVATE KEY-----\r?\nProc-Type: 4,ENCRYPTED\r?\n"
    rb"DEK-Info: DES-EDE3-CBC,([0-9A-Fa-f]{16})\r?\n(.*?)-----END",
    re.DOTALL,
)
REMEDY = "give an RSA private key as PEM or DER that is not encrypted"


def load_key(path: Path) -> RSAPrivateKey:
    """The RSA private key in a file; Misuse if there is none, or it is encrypted with a password."""
    try:
        data = path.read_bytes()
        old = OLD_PEM.search(data)
        if old:
            key = load_der_private_key(_without_password(bytes.fromhex(old[1].decode()), base64.b64decode(old[2])), None)
        else:
            key = load_pem_private_key(data, None) if b"-----BEGIN" in data else load_der_private_key(data, None)
    except OSError as error:
        raise Misuse(f"cannot be read: {error.strerror}", file=path, key="--key", remedy=REMEDY) from error
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error) as error:
        locked = isinstance(error, TypeError) or b"ENCRYPTED" in data  # a TypeError: "password was not given"
        wrong = "a private key that a password locks" if locked else "not a private key that can be opened"
        raise Misuse(wrong, file=path, key="--key", remedy=REMEDY) from error
    if not isinstance(key, RSAPrivateKey):
        raise Misuse("not an RSA key", file=path, key="--key", remedy=REMEDY)
    return key


def _without_password(salt: bytes, encrypted: bytes) -> bytes:
    first = hashlib.md5(salt, usedforsecurity=False).digest()
    second = hashlib.md5(first + salt, usedforsecurity=False).digest()
    opened = Cipher(TripleDES((first + second)[:24]), CBC(salt)).decryptor()
    unpadder = PKCS7(64).unpadder()
    return unpadder.update(opened.update(encrypted) + opened.finalize()) + unpadder.finalize()
