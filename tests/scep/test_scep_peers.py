"""Our CA and client with programs of others: micromdm's scepclient and scepserver, strongSwan's pki."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hil.clock import ScaledClock
from hil.scep import certificate
from hil.scep.authority import Authority, to_pem
from hil.scep.ca import DEFAULT_CAPABILITIES, CaService, LedgerEntry
from hil.scep.signers import chain, challenge, issue
from hil.secret import Secret

OUR_CLIENT = """
import sys, time
from cryptography.hazmat.primitives.asymmetric import rsa
from hil.scep.client import Client, Issued
from hil.scep.csr import build_csr
from hil.scep.http import Transport, TransportFault
from hil.secret import Secret

key = rsa.generate_private_key(65537, 2048)
csr = build_csr(key, (("C", "US"), ("O", "Lab"), ("CN", "phone")), challenge_password=Secret("swordfish"))
with Transport("http://127.0.0.1:2016/scep", timeout=10) as transport:
    client = Client(transport)
    server = client.discover()
    for cipher, digest in (("des-cbc", "sha1"), ("aes-128-cbc", "sha256"), ("aes-256-cbc", "sha256")):
        outcome = client.enrol(csr, key, server=server, cipher=cipher, digest=digest)
        assert isinstance(outcome, Issued), outcome
        assert outcome.certificate.signed_by(server.ca)
        print(outcome.certificate.subject)
"""
# Waits for the server by connecting, in a namespace of its own because the server listens on every interface.
IN_NAMESPACE = """
ip link set lo up
scepserver -depot "$1" -port 2016 -challenge=swordfish -allowrenew 0 >"$1/log" 2>&1 &
server=$!
for attempt in $(seq 2000); do
    if (exec 3<>/dev/tcp/127.0.0.1/2016) 2>/dev/null; then break; fi
    if ! kill -0 $server; then cat "$1/log" >&2; exit 1; fi
done
"$2" -W error -c "$3"
status=$?
kill $server
wait $server
exit $status
"""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def bench() -> Authority:
    """An authority valid now, since its peers read the real clock."""
    return Authority.create("Bench CA", ScaledClock())


@pytest.fixture
def ledger() -> list[LedgerEntry]:
    return []


@pytest.fixture
def url(serve: Any, bench: Authority, ledger: list[LedgerEntry]) -> str:
    signer = chain(challenge(Secret("swordfish")), to=issue(bench))
    # strongSwan 5.9.8 takes AES for offered only where it reads SHA-384.
    capabilities = (*DEFAULT_CAPABILITIES, "SHA-384")
    address: str = serve(CaService(bench, signer, clock=ScaledClock(), capabilities=capabilities, ledger=ledger.append))
    return address


def write_key(path: Path, key: RSAPrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@needs("scepclient")
def test_scepclient_enrols(url: str, bench: Authority, ledger: list[LedgerEntry], tmp_path: Path) -> None:
    write_key(tmp_path / "client.key", rsa.generate_private_key(65537, 2048))
    command = f"scepclient -private-key client.key -certificate client.pem -server-url={url} -challenge=swordfish -cn phone"
    result = run(command.split(), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (tmp_path / "ca.pem").write_bytes(to_pem(bench.certificate))
    verified = run(["openssl", "verify", "-CAfile", "ca.pem", "client.pem"], tmp_path)
    assert verified.returncode == 0, verified.stderr
    (entry,) = ledger
    assert (entry.answer, entry.subject) == ("SUCCESS", "CN=phone,OU=MDM,O=scep-client,C=US")


@needs("pki")
@pytest.mark.parametrize("cipher", ["des3", "aes"])
def test_strongswan_enrols(url: str, bench: Authority, ledger: list[LedgerEntry], tmp_path: Path, cipher: str) -> None:
    key = rsa.generate_private_key(65537, 2048)
    write_key(tmp_path / "key.pem", key)
    (tmp_path / "ca.pem").write_bytes(to_pem(bench.certificate))
    command = (
        f"pki --scep --url {url} --in key.pem --password swordfish --cipher {cipher} --digest sha256 "
        "--cacert-enc ca.pem --cacert-sig ca.pem --outform der"
    ).split()
    result = subprocess.run([*command, "--dn", "C=US, O=Lab, CN=phone"], cwd=tmp_path, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    issued = certificate.read_certificate(result.stdout)
    assert issued.signed_by(bench.certificate)
    assert issued.subject == "CN=phone,O=Lab,C=US"
    assert [entry.answer for entry in ledger] == ["SUCCESS"]


@needs("pki")
def test_strongswan_sees_a_wrong_password_refused(url: str, bench: Authority, ledger: list[LedgerEntry], tmp_path: Path) -> None:
    write_key(tmp_path / "key.pem", rsa.generate_private_key(65537, 2048))
    (tmp_path / "ca.pem").write_bytes(to_pem(bench.certificate))
    command = f"pki --scep --url {url} --in key.pem --password wrong --cipher des3 --cacert-enc ca.pem --cacert-sig ca.pem"
    result = run([*command.split(), "--dn", "CN=phone"], tmp_path)
    assert result.returncode != 0
    assert [(entry.answer, entry.fail_info) for entry in ledger] == [("FAILURE", "badRequest")]


@needs("scepserver")
def test_our_client_enrols_with_scepserver(tmp_path: Path) -> None:
    made = run(["scepserver", "ca", "-init", "-keySize", "2048", "-years", "2", "-organization", "Lab"], tmp_path)
    assert made.returncode == 0, made.stderr
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["unshare", "-rn", "bash", "-c", IN_NAMESPACE, "peer", str(tmp_path / "depot"), sys.executable, OUR_CLIENT]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines() == ["CN=phone,O=Lab,C=US"] * 3
