from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil.clock import ScaledClock
from hil.evidence import scep_path
from hil.scenario import Issue, Pend
from hil.scep import signers
from hil.scep.authority import to_pem
from hil.scep.ca import Authority
from hil.secret import Secret
from hil.services.lab import Lab
from hil.services.ledger import LedgerLine

PASSWORD = "only-for-this-test"


class Bench:
    """The bench's CA on loopback, which asks for a challenge password, and a folder to work in."""

    def __init__(self, lab: Lab, authority: Authority, folder: Path) -> None:
        self.lab = lab
        self.authority = authority
        self.folder = folder
        self.url = f"http://127.0.0.1:{lab.http_port}{scep_path('other', 1)}"
        self.signer = signers.chain(signers.challenge(Secret(PASSWORD)), to=signers.issue(authority))
        lab.script("other", 1, signer=self.signer)

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, cwd=self.folder, capture_output=True, timeout=60, check=False)

    def certificate(self, name: str) -> x509.Certificate:
        """The certificate in a file, once it is shown to be this CA's."""
        certificate = x509.load_pem_x509_certificate((self.folder / name).read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(to_pem(self.authority.certificate)))
        return certificate

    def ledger(self) -> tuple[LedgerLine, ...]:
        return self.lab.ledger.lines("other", 1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    authority = Authority.create("Lab CA", ScaledClock())
    (tmp_path / "client").mkdir()
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "lab") as lab:
        yield Bench(lab, authority, tmp_path / "client")


@pytest.mark.skipif(shutil.which("scepclient") is None, reason="scepclient (Debian package scep) is not installed")
class TestScepclient:
    def enrol(self, bench: Bench, password: str = PASSWORD) -> subprocess.CompletedProcess[bytes]:
        bench.run("openssl", "genrsa", "-traditional", "-out", "client.key", "2048")
        files = ("-private-key", "client.key", "-certificate", "client.pem")
        return bench.run("scepclient", *files, "-server-url", bench.url, f"-challenge={password}", "-cn", "phone")

    def test_it_enrols_with_the_bench_ca(self, bench: Bench) -> None:
        done = self.enrol(bench)
        assert done.returncode == 0, done.stderr
        certificate = bench.certificate("client.pem")
        key = load_pem_private_key((bench.folder / "client.key").read_bytes(), None)
        assert certificate.public_key() == key.public_key()
        assert "CN=phone" in certificate.subject.rfc4514_string()
        [line] = bench.ledger()
        assert line.entry.serial == f"{certificate.serial_number:x}"

    def test_a_wrong_password_gets_it_no_certificate(self, bench: Bench) -> None:
        assert self.enrol(bench, "guessed").returncode != 0
        assert not (bench.folder / "client.pem").exists()
        assert [(line.entry.answer, line.entry.fail_info) for line in bench.ledger()] == [("FAILURE", "badRequest")]


@pytest.mark.skipif(shutil.which("pki") is None, reason="pki (Debian package strongswan-pki) is not installed")
class TestStrongswan:
    def enrol(self, bench: Bench, password: str = PASSWORD) -> subprocess.CompletedProcess[bytes]:
        found = bench.run("pki", "--scepca", "--url", bench.url, "--caout", "ca.pem", "--outform", "pem", "--force")
        assert found.returncode == 0, found.stderr
        key = bench.run("pki", "--gen", "--type", "rsa", "--size", "2048", "--outform", "pem")
        (bench.folder / "key.pem").write_bytes(key.stdout)
        trust = ("--cacert-enc", "ca.pem", "--cacert-sig", "ca.pem")
        request = ("--in", "key.pem", "--dn", "C=US, O=Lab, CN=phone", "--password", password, "--cipher", "des3")
        return bench.run("pki", "--scep", "--url", bench.url, *request, *trust, "--interval", "1", "--outform", "pem")

    def test_it_enrols_with_the_bench_ca(self, bench: Bench) -> None:
        done = self.enrol(bench)
        assert done.returncode == 0, done.stderr
        (bench.folder / "client.pem").write_bytes(done.stdout)
        certificate = bench.certificate("client.pem")
        assert certificate.subject.rfc4514_string() == "CN=phone,O=Lab,C=US"
        [line] = bench.ledger()
        assert line.entry.serial == f"{certificate.serial_number:x}"

    def test_it_polls_what_is_pending(self, bench: Bench) -> None:
        bench.lab.script("other", 1, answers=[Pend(), Issue()], signer=bench.signer)
        done = self.enrol(bench)
        assert done.returncode == 0, done.stderr
        assert [(line.entry.message_type, line.entry.answer) for line in bench.ledger()] == [
            ("PKCSReq", "PENDING"),
            ("CertPoll", "SUCCESS"),
        ]

    def test_a_wrong_password_gets_it_no_certificate(self, bench: Bench) -> None:
        assert self.enrol(bench, "guessed").returncode != 0
        assert [line.entry.answer for line in bench.ledger()] == ["FAILURE"]
