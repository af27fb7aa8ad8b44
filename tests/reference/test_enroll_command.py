from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner, Result

from hil.cli.enroll import enroll
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import scep_path
from hil.scenario import Answer, Issue, Pend, Reject
from hil.scep import signers
from hil.scep.ca import Authority
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr
from hil.scep.signers import CertificateRequest
from hil.secret import Secret
from hil.services.lab import Lab

PASSWORD = "only-for-this-test"


class Keeping:
    """Grants what bears the password, and keeps the CSRs."""

    def __init__(self, authority: Authority) -> None:
        self._signer = signers.chain(signers.challenge(Secret(PASSWORD)), to=signers.issue(authority))
        self.csrs: list[Csr] = []

    def sign(self, request: CertificateRequest) -> Certificate:
        self.csrs.append(request.csr)
        return self._signer.sign(request)


class Server:
    """A lab with one CA."""

    def __init__(self, lab: Lab, authority: Authority) -> None:
        self.lab = lab
        self.signer = Keeping(authority)
        self.url = f"http://127.0.0.1:{lab.http_port}{scep_path('plain', 1)}"
        self.script(Issue())

    def script(self, *answers: Answer) -> None:
        self.lab.script("plain", 1, answers=answers, signer=self.signer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    authority = Authority.create("Lab CA", ScaledClock())
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "lab") as lab:
        yield Server(lab, authority)


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(enroll)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"CHALLENGE": PASSWORD})


def test_an_issued_certificate_and_its_key_are_written_for_their_owner_only(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    done = run(server.url, "--cn", "phone", "--dn", "/C=US/O=Lab", "--challenge-env", "CHALLENGE", "--out", out, "--json")
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert (facts["outcome"], facts["subject"], facts["issuer"]) == ("issued", "CN=phone,O=Lab,C=US", "CN=Lab CA,O=J100 bench")
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {
        "client.key": 0o600,
        "client.pem": 0o600,
        "chain.pem": 0o600,
    }
    certificate = x509.load_pem_x509_certificate((out / "client.pem").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((out / "chain.pem").read_bytes()))
    key = load_pem_private_key((out / "client.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert f"{certificate.serial_number:x}" == facts["serial"]
    assert PASSWORD not in done.output


def test_the_request_is_what_the_options_say(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "challenge"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    options = (
        "--key-length",
        "1024",
        "--cipher",
        "aes256",
        "--digest",
        "sha512",
        "--identifier",
        "lab",
        "--challenge-file",
        file,
    )
    assert run(server.url, "--cn", "phone", "--out", tmp_path / "out", *options).exit_code == 0
    [csr] = server.signer.csrs
    assert (csr.key_bits, csr.signature_digest, csr.subject) == (1024, "sha512", "CN=phone")
    assert "lab" in [event.details.get("identifier") for event in server.lab.events.since()]


@pytest.mark.parametrize("cipher", ["des", "3des", "aes128", "aes256"])
def test_every_cipher_can_be_chosen(server: Server, tmp_path: Path, cipher: str) -> None:
    done = run(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--cipher", cipher, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "outcome: issued" in done.stdout


@pytest.mark.parametrize(
    ("answer", "status", "outcome"), [(Reject("badTime"), 1, "rejected"), (Pend(), 3, "pending")], ids=["rejected", "pending"]
)
def test_other_answers_have_their_status_and_leave_no_file(
    server: Server, tmp_path: Path, answer: Answer, status: int, outcome: str
) -> None:
    server.script(answer)
    done = run(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path / "out", "--json")
    assert done.exit_code == status
    facts = json.loads(done.stdout)
    assert facts["outcome"] == outcome
    assert facts.get("fail_info") == ("badTime" if status == 1 else None)
    assert not (tmp_path / "out").exists()


def test_a_missing_password_is_rejected(server: Server, tmp_path: Path) -> None:
    assert run(server.url, "--cn", "phone", "--out", tmp_path / "out").exit_code == 1


def test_no_answer_is_status_4(tmp_path: Path) -> None:
    done = run("http://127.0.0.1:9/pkiclient.exe", "--cn", "phone", "--out", tmp_path, "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["outcome"] == "no answer"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dn", "C=US,O=Lab"], "--dn"),
        (["--challenge-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["--challenge-file", "{folder}/none"], "cannot be read"),
        (["--challenge-file", "{folder}/open"], "chmod 600"),
        (["--challenge-env", "CHALLENGE", "--challenge-file", "{folder}/open"], "not both"),
    ],
    ids=["dn", "variable", "no file", "mode", "two places"],
)
def test_misuse_is_told_before_anything_is_asked(server: Server, tmp_path: Path, options: list[str], says: str) -> None:
    (tmp_path / "open").write_text(PASSWORD)
    (tmp_path / "open").chmod(0o644)
    done = run(server.url, "--cn", "phone", "--out", tmp_path / "out", *[text.format(folder=tmp_path) for text in options])
    assert isinstance(done.exception, Misuse)
    assert says in str(done.exception)
    assert server.lab.events.since() == ()


def test_an_existing_key_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "client.key").write_text("precious")
    done = run(server.url, "--cn", "phone", "--out", tmp_path)
    assert isinstance(done.exception, Misuse)
    assert (tmp_path / "client.key").read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_misuse(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path / "file" / "below")
    assert isinstance(done.exception, Misuse)
    assert "--out" in str(done.exception)
