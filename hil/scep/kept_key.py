"""Private keys that this program wrote itself, as it finds them again."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_TRIAL = b"does this key still sign"


def read_kept_key(pem: bytes) -> RSAPrivateKey:
    """The RSA key in a PEM that this program wrote; `ValueError` if it is none, or signs no more.

    It is tried by a signature: to prove its primes anew takes a hundred times as long, at every boot of a phone.
    """
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("its key is not RSA")
    try:
        key.public_key().verify(key.sign(_TRIAL, PKCS1v15(), SHA256()), _TRIAL, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise ValueError("its key is damaged") from error
    return key
