"""A key that this program kept: read without proof of its primes, and not believed where it signs no more."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from hil.scep.kept_key import read_kept_key


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def test_what_was_kept_is_read(key: rsa.RSAPrivateKey) -> None:
    assert read_kept_key(pem(key)).private_numbers() == key.private_numbers()


def test_a_key_that_signs_no_more_is_damaged(key: rsa.RSAPrivateKey) -> None:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    modulus = key.public_key().public_numbers().n.to_bytes(256)
    altered = der.replace(modulus, modulus[:100] + bytes((modulus[100] ^ 4,)) + modulus[101:])
    assert altered != der
    damaged = load_der_private_key(altered, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(damaged, rsa.RSAPrivateKey)
    with pytest.raises(ValueError, match="damaged"):
        read_kept_key(pem(damaged))


def test_another_kind_of_key_is_none() -> None:
    with pytest.raises(ValueError, match="not RSA"):
        read_kept_key(pem(ec.generate_private_key(ec.SECP256R1())))


def test_a_text_that_is_no_key_is_none() -> None:
    with pytest.raises(ValueError, match="Unable to load PEM"):
        read_kept_key(b"no key")
