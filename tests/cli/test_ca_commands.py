"""`hil getca`, `nextca`, `getcrl` and `getcert`, and the check of the CA that all verbs make."""

from __future__ import annotations

import stat
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_rig import PatientClock, Server, facts, run
from cryptography import x509

from hil.cli.getcrl import OVERDUE
from hil.cli.peer import NOBODY_CHECKED
from hil.cli.pem import read_certificates
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scep.authority import Authority, to_pem
from hil.scep.personas import persona
from hil.scep.register import Register
from hil.scep.trust import fingerprint

CLOCK = ScaledClock()
DIGESTS = ("sha256", "sha1")


@pytest.fixture(scope="module")
def ndes() -> Authority:
    """A CA below another, with two RA certificates."""
    return persona("ndes").authority("Issuing CA", CLOCK, levels=2, key_bits=1024)


def holder(folder: Path) -> tuple[str | Path, ...]:
    return ("--cert", folder / "client.pem", "--key", folder / "client.key")


def by_openssl(file: Path, digest: str) -> str:
    command = ["openssl", "x509", "-in", str(file), "-noout", "-fingerprint", f"-{digest}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]


def test_each_certificate_is_shown_with_its_role(server: Server, ndes: Authority, tmp_path: Path) -> None:
    server.seat(ndes)
    done = run("getca", server.url, "--out", tmp_path, "--json")
    assert done.exit_code == 0
    told = facts(done)
    assert "POSTPKIOperation" in told["capabilities"]
    roles = {certificate["subject"]: certificate["roles"] for certificate in told["certificates"]}
    assert roles == {
        "CN=Issuing CA RA,O=J100 bench": ["RA signs"],
        "CN=Issuing CA RA encryption,O=J100 bench": ["RA receives"],
        "CN=Issuing CA,O=J100 bench": ["CA"],
        "CN=Issuing CA level 1,O=J100 bench": ["CA above"],
    }
    [issuing] = [certificate for certificate in told["certificates"] if certificate["roles"] == ["CA"]]
    assert (issuing["sha256"], issuing["sha1"]) == (
        by_openssl(tmp_path / "ca.pem", "sha256"),
        by_openssl(tmp_path / "ca.pem", "sha1"),
    )
    assert (issuing["key_bits"], issuing["serial"]) == (1024, f"{ndes.certificate.serial:x}")
    assert (told["ca_fingerprint"], told["ca_checked"], told["notes"]) == (issuing["sha256"], "nobody", [NOBODY_CHECKED])
    written = {file.name: x509.load_pem_x509_certificates(file.read_bytes()) for file in tmp_path.glob("*.pem")}
    assert {name: len(found) for name, found in written.items()} == {
        "ca.pem": 1,
        "above.pem": 1,
        "ra-signs.pem": 1,
        "ra-receives.pem": 1,
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.pem")} == {0o600}


def test_people_are_told_in_lines(server: Server) -> None:
    done = run("getca", server.url)
    assert done.exit_code == 0
    assert "  subject: CN=Lab CA,O=J100 bench\n" in done.stdout
    assert f"  sha256: {server.fingerprint}\n" in done.stdout
    assert f"note: {NOBODY_CHECKED}\n" in done.stdout


def test_what_nobody_checked_does_not_replace_what_is_there(server: Server, ndes: Authority, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    assert run("getca", server.url, "--out", file).exit_code == 0
    assert run("getca", server.url, "--out", file).exit_code == 0
    server.seat(ndes)
    done = run("getca", server.url, "--out", file)
    assert isinstance(done.exception, Misuse)
    assert file.read_bytes() == to_pem(server.authority.certificate)
    assert run("getca", server.url, "--out", file, "--fingerprint", fingerprint(ndes.certificate)).exit_code == 0
    assert len(x509.load_pem_x509_certificates(file.read_bytes())) == 3


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("spelled", [str, str.lower, lambda text: text.replace(":", "")], ids=["openssl", "lower", "bare"])
def test_the_right_fingerprint_will_do_however_spelled(server: Server, digest: str, spelled: Any) -> None:
    pinned = spelled(fingerprint(server.authority.certificate, digest))
    done = run("getca", server.url, "--fingerprint", pinned, "--json")
    assert (done.exit_code, facts(done)["ca_checked"]) == (0, digest)
    assert [certificate["trusted"] for certificate in facts(done)["certificates"]] == [True]
    assert bool(facts(done)["notes"]) == (digest == "sha1")


@pytest.mark.parametrize("verb", ["getca", "nextca", "getcrl", "getcert", "enroll", "renew"])
@pytest.mark.parametrize("known_by", ["--fingerprint", "--ca"])
def test_another_ca_is_told_nothing(
    server: Server, enrolled: Path, ndes: Authority, tmp_path: Path, verb: str, known_by: str
) -> None:
    (tmp_path / "other.pem").write_bytes(to_pem(ndes.certificate))
    pinned = fingerprint(ndes.certificate) if known_by == "--fingerprint" else tmp_path / "other.pem"
    options = {
        "enroll": ("--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path / "out"),
        "getcert": ("--serial", "1", *holder(enrolled)),
        "getcrl": holder(enrolled),
        "renew": holder(enrolled),
    }
    asked = len(server.operations)
    done = run(verb, server.url, *options.get(verb, ()), known_by, pinned, "--json")
    assert done.exit_code == 4
    assert facts(done)["reason"] == "untrusted CA"
    assert server.fingerprint in facts(done)["text"]
    assert server.operations[asked:] == ["GetCACaps", "GetCACert"]
    assert not (tmp_path / "out").exists()


def test_what_getca_wrote_is_what_the_others_take(server: Server, ndes: Authority, tmp_path: Path) -> None:
    server.seat(ndes)
    assert run("getca", server.url, "--out", tmp_path / "ca.pem").exit_code == 0
    done = run("enroll", server.url, "--cn", "phone", "--ca", tmp_path / "ca.pem", "--out", tmp_path / "out", "--json")
    assert (done.exit_code, facts(done)["ca_checked"]) == (0, "file")
    chain = x509.load_pem_x509_certificates((tmp_path / "out" / "chain.pem").read_bytes())
    leaf = x509.load_pem_x509_certificate((tmp_path / "out" / "client.pem").read_bytes())
    for below, above in zip((leaf, *chain), chain, strict=False):
        below.verify_directly_issued_by(above)
    assert len(chain) == 2


def test_a_ca_without_the_operation_is_no_answer(server: Server) -> None:
    done = run("nextca", server.url, "--json")
    assert (done.exit_code, facts(done)["reason"]) == (4, "HTTP 404")


def test_the_ca_to_come_is_believed_by_the_current_one(server: Server, tmp_path: Path) -> None:
    successor = Authority.create("Lab CA 2", CLOCK, key_bits=1024)
    server.seat(server.authority, successor=successor)
    file = tmp_path / "next.pem"
    done = run("nextca", server.url, "--fingerprint", server.fingerprint, "--out", file, "--json")
    assert done.exit_code == 0
    assert [certificate["sha256"] for certificate in facts(done)["certificates"]] == [fingerprint(successor.certificate)]
    assert file.read_bytes() == to_pem(successor.certificate)


@pytest.fixture
def register(server: Server, enrolled: Path) -> Register:
    """The register of the CA that issued the certificate in `enrolled`."""
    register = Register()
    register.add(read_certificates(enrolled / "client.pem", "--cert")[0])
    server.seat(server.authority, register=register)
    return register


@pytest.mark.parametrize("form", ["pem", "der"])
@pytest.mark.parametrize("revoked", [False, True])
def test_a_crl_is_shown_and_written(
    server: Server, enrolled: Path, register: Register, tmp_path: Path, form: str, revoked: bool
) -> None:
    [certificate] = read_certificates(enrolled / "client.pem", "--cert")
    if revoked:
        register.revoke(certificate, CLOCK.now())
    file = tmp_path / "ca.crl"
    done = run("getcrl", server.url, *holder(enrolled), "--out", file, "--form", form, "--json")
    assert done.exit_code == 0
    told = facts(done)
    assert (told["issuer"], told["revoked"], told["certificate_revoked"]) == ("CN=Lab CA,O=J100 bench", int(revoked), revoked)
    load = x509.load_pem_x509_crl if form == "pem" else x509.load_der_x509_crl
    crl = load(file.read_bytes())
    assert [entry.serial_number for entry in crl] == ([certificate.serial] if revoked else [])
    assert crl.next_update_utc is not None
    assert (told["this_update"], told["next_update"]) == (crl.last_update_utc.isoformat(), crl.next_update_utc.isoformat())


def test_a_crl_that_is_overdue_is_noted(server: Server, enrolled: Path) -> None:
    clock = PatientClock()
    clock.advance(timedelta(days=8).total_seconds())
    assert OVERDUE in facts(run("getcrl", server.url, *holder(enrolled), "--json", clock=clock))["notes"]
    assert OVERDUE not in facts(run("getcrl", server.url, *holder(enrolled), "--json"))["notes"]


@pytest.mark.parametrize("spelled", ["{:x}", "{:X}", "0x{:x}"])
def test_a_certificate_is_found_by_its_serial_number(
    server: Server, enrolled: Path, register: Register, tmp_path: Path, spelled: str
) -> None:
    [certificate] = read_certificates(enrolled / "client.pem", "--cert")
    file = tmp_path / "found.pem"
    serial = spelled.format(certificate.serial)
    done = run("getcert", server.url, "--serial", serial, *holder(enrolled), "--out", file, "--json")
    assert done.exit_code == 0
    assert facts(done)["subject"] == "CN=phone,O=Lab,C=US"
    assert file.read_bytes() == (enrolled / "client.pem").read_bytes()


def test_a_serial_number_that_the_ca_does_not_know_is_rejected(server: Server, enrolled: Path) -> None:
    done = run("getcert", server.url, "--serial", "2A", *holder(enrolled), "--json")
    assert (done.exit_code, facts(done)["outcome"], facts(done)["fail_info"]) == (1, "rejected", "badCertId")


@pytest.mark.parametrize(
    ("verb", "options", "says"),
    [
        ("getcert", ["--serial", "xyz"], "--serial"),
        ("getcrl", ["--cert", "{folder}/none"], "--cert"),
        ("getcrl", ["--cert", "{folder}/client.key"], "client.key: --cert: holds no certificate, or a damaged one; a PEM file"),
        ("getcrl", ["--key", "{folder}/client.pem"], "--key"),
        ("getcrl", ["--cert", "{folder}/chain.pem"], "is not the key of"),
    ],
)
def test_misuse_is_told_before_anything_is_asked(
    server: Server, enrolled: Path, verb: str, options: list[str], says: str
) -> None:
    asked = server.operations
    done = run(verb, server.url, *holder(enrolled), *[option.format(folder=enrolled) for option in options])
    assert isinstance(done.exception, Misuse)
    assert says in str(done.exception)
    assert server.operations == asked
