"""What the CA issues, as OpenSSL judges it: chain, dates, purpose, signature."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority, to_pem
from hil.scep.csr import build_csr, read_csr
from hil.scep.personas import PERSONAS, persona

Verify = Callable[..., str]

# RFC 5280 asks more of a certificate than paths need; of MD5 and SHA-1, which some personas sign with, OpenSSL wants to be told.
STRICT = ("-x509_strict", "-auth_level", "0")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def verified(tmp_path: Path) -> Verify:
    """What `openssl verify` says of a certificate under an authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def verify(authority: Authority, certificate: bytes, *options: str) -> str:
        above = (authority.certificate, *authority.chain)
        roots = [one for one in above if one.self_signed]
        for name, pems in (
            ("leaf.pem", [certificate]),
            ("roots.pem", [to_pem(one) for one in roots]),
            ("between.pem", [to_pem(one) for one in above if not one.self_signed]),
        ):
            (tmp_path / name).write_bytes(b"".join(pems))
        between = ("-untrusted", str(tmp_path / "between.pem")) if len(above) > len(roots) else ()
        command = ("openssl", "verify", "-CAfile", str(tmp_path / "roots.pem"), *between, *STRICT, *options)
        done = subprocess.run([*command, str(tmp_path / "leaf.pem")], capture_output=True, text=True, timeout=30, check=False)
        return (done.stdout + done.stderr).partition("\n")[0].partition(": ")[2]

    return verify


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("name", PERSONAS)
def test_a_client_certificate_of_each_persona(name: str, levels: int, key: rsa.RSAPrivateKey, verified: Verify) -> None:
    authority = persona(name).authority("Lab CA", ScaledClock(), levels=levels)
    csr = read_csr(build_csr(key, (("C", "US"), ("O", "Lab"), ("CN", "19WZ1234567A")), challenge_password=None))
    now = ScaledClock().now()
    issued = to_pem(authority.issue(csr, not_before=now - timedelta(days=1), not_after=now + timedelta(days=365)))
    assert verified(authority, issued, "-purpose", "sslclient") == "OK"


def test_a_backdated_certificate_and_one_of_the_future(key: rsa.RSAPrivateKey, verified: Verify) -> None:
    authority, now = Authority.create("Lab CA", ScaledClock()), ScaledClock().now()
    csr = read_csr(build_csr(key, (("CN", "19WZ1234567A"),), challenge_password=None))
    backdated = authority.issue(csr, not_before=now - timedelta(days=300), not_after=now + timedelta(days=65))
    future = authority.issue(csr, not_before=now + timedelta(days=1), not_after=now + timedelta(days=366))
    assert verified(authority, to_pem(backdated)) == "OK"
    assert verified(authority, to_pem(future)) != "OK"


def test_the_certificate_of_the_bench_s_servers(key: rsa.RSAPrivateKey, verified: Verify) -> None:
    authority = Authority.create("Lab CA", ScaledClock())
    own = to_pem(authority.issue_server(public_key_der(key), ("192.0.2.1",), ("bench.example",)))
    assert verified(authority, own, "-purpose", "sslserver", "-verify_ip", "192.0.2.1") == "OK"
    assert verified(authority, own, "-purpose", "sslserver", "-verify_hostname", "bench.example") == "OK"
    assert verified(authority, own, "-purpose", "sslserver", "-verify_ip", "192.0.2.9") != "OK"
