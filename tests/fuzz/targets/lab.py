"""Who speaks in the fuzzed messages: keys that stay the same, so that what was recorded with them can be opened."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil.clock import ManualClock
from hil.scep import names
from hil.scep.authority import Authority, RegistrationAuthority, self_signed
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.secret import Secret

NOW = ManualClock().now()
PASSWORD = Secret("swordfish")
SUBJECT = (("C", "US"), ("O", "Lab, Inc."), ("CN", "19WZ1234567A"))
PHONES = ("phone", "strong")


@cache
def key(name: str) -> RSAPrivateKey:
    """The key of this name."""
    loaded = load_pem_private_key((Path(__file__).parent / "keys" / f"{name}.pem").read_bytes(), None)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


@cache
def certificate(name: str) -> Certificate:
    """A certificate of the key, signed by itself."""
    subject = SUBJECT if name in PHONES else (("O", "J100 bench"), ("CN", name))
    return self_signed(names.write_name(subject), key(name), NOW)


@cache
def authority(*, ra: bool = False) -> Authority:
    """A CA, or one for which an RA speaks while another key opens what is sent."""
    bare = Authority(key("ca"), certificate("ca"))
    if not ra:
        return bare
    receiver = RegistrationAuthority(key("receiver"), certificate("receiver"))
    return Authority(bare.key, bare.certificate, (), RegistrationAuthority(key("ra"), certificate("ra"), receiver))


@cache
def held(name: str) -> Certificate:
    """A certificate that the CA issued for the phone's key."""
    own = certificate(name)
    return authority().issue(read_csr(csr_der(name)), not_before=own.not_before, not_after=NOW + timedelta(days=365))


@cache
def csr_der(name: str, digest: str = "sha256", password: Secret | None = PASSWORD) -> bytes:
    """A phone's certification request."""
    return build_csr(key(name), SUBJECT, challenge_password=password, digest=digest)
