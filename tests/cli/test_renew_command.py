"""`hil renew`: in place or elsewhere, only when due, and whatever interrupts it."""

from __future__ import annotations

import signal
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cli_rig import PatientClock, Server, facts, killing, pair, run
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import Result

from hil.cli.pem import read_certificates
from hil.clock import Clock
from hil.errors import Misuse
from hil.scenario import Issue, Pend, Reject, Reset
from hil.scep import algorithms, names
from hil.scep.altnames import SUBJECT_ALT_NAME, general_names
from hil.scep.authority import to_pem
from hil.scep.certificate import Certificate, write_certificate, write_extension
from hil.scep.signers import CertificateRequest


def renew(server: Server, folder: Path, *options: str | Path, clock: Clock | None = None) -> Result:
    pair_at_hand = ("--cert", folder / "client.pem", "--key", folder / "client.key")
    return run("renew", server.url, *pair_at_hand, "--json", *options, clock=clock)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def private_key(folder: Path) -> RSAPrivateKey:
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def test_a_new_pair_takes_the_place_of_the_old_one(server: Server, enrolled: Path) -> None:
    old, old_key = pair(enrolled)
    done = renew(server, enrolled)
    assert done.exit_code == 0
    new, new_key = pair(enrolled)
    assert new.subject == old.subject
    assert new.serial_number != old.serial_number
    assert new_key.key_size == old_key.key_size
    assert new_key.private_numbers() != old_key.private_numbers()
    assert server.told == ["PKCSReq", "RenewalReq"]
    assert server.signer.csrs[-1].challenge_password is None
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in enrolled.iterdir()} == {
        "client.key": 0o600,
        "client.pem": 0o600,
        "chain.pem": 0o600,
    }
    assert (facts(done)["outcome"], facts(done)["certificate"]) == ("issued", str(enrolled / "client.pem"))


def test_where_renewal_is_not_advertised_a_pkcsreq_renews(server: Server, enrolled: Path) -> None:
    server.script(Issue(), capabilities=("POSTPKIOperation", "SHA-256", "AES"))
    assert renew(server, enrolled).exit_code == 0
    assert server.told == ["PKCSReq", "PKCSReq"]


def test_the_old_key_can_be_kept(server: Server, enrolled: Path) -> None:
    old, old_key = pair(enrolled)
    assert renew(server, enrolled, "--same-key").exit_code == 0
    new, new_key = pair(enrolled)
    assert new.serial_number != old.serial_number
    assert new_key.private_numbers() == old_key.private_numbers()


def test_the_new_key_can_be_longer(server: Server, enrolled: Path) -> None:
    assert renew(server, enrolled, "--key-length", "2048").exit_code == 0
    assert pair(enrolled)[1].key_size == 2048
    assert isinstance(renew(server, enrolled, "--key-length", "2048", "--same-key").exception, Misuse)


def test_a_ca_that_answers_with_the_old_certificate_has_not_renewed(server: Server, enrolled: Path) -> None:
    class Idle:
        def sign(self, request: CertificateRequest) -> Certificate:
            assert request.holder is not None
            return request.holder

    server.script(Issue(), signer=Idle())
    before = content(enrolled)
    done = renew(server, enrolled, "--same-key")
    assert (done.exit_code, facts(done)["reason"]) == (4, "reply refused")
    assert "old certificate" in facts(done)["text"]
    assert content(enrolled).items() > before.items()


def test_alternative_names_are_asked_for_again(server: Server, tmp_path: Path) -> None:
    asked = general_names(["dns:phone.example", "ip:192.0.2.1"])
    assert asked is not None
    folder = tmp_path / "named"
    assert run("enroll", server.url, "--cn", "x", "--challenge-env", "CHALLENGE", "--out", folder).exit_code == 0
    [plain] = read_certificates(folder / "client.pem", "--cert")
    named = write_certificate(
        subject_der=names.write_name(()),
        issuer_der=plain.issuer_der,
        serial=plain.serial,
        not_before=plain.not_before,
        not_after=plain.not_after,
        public_key_der=algorithms.public_key_der(private_key(folder)),
        extensions=(write_extension(SUBJECT_ALT_NAME, asked, critical=True),),
        key=server.authority.key,
    )
    (folder / "client.pem").write_bytes(to_pem(named))
    assert renew(server, folder).exit_code == 0
    csr = x509.load_der_x509_csr(server.signer.csrs[-1].der)
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == ["phone.example"]
    assert extension.value.public_bytes() == asked
    assert extension.critical


@pytest.mark.parametrize(("days", "due"), [(0, False), (290, False), (295, True), (400, True)])
def test_only_what_is_due_is_renewed(server: Server, enrolled: Path, days: int, due: bool) -> None:
    before = content(enrolled)
    asked = server.operations
    clock = PatientClock()
    clock.advance(timedelta(days=days).total_seconds())
    done = renew(server, enrolled, "--if-older-than", "80", clock=clock)
    assert done.exit_code == 0
    assert facts(done)["outcome"] == ("issued" if due else "not due")
    assert (server.operations != asked) == due
    assert (content(enrolled) != before) == due


def test_the_new_pair_can_go_elsewhere_but_over_no_other(server: Server, enrolled: Path, tmp_path: Path) -> None:
    before = content(enrolled)
    elsewhere = tmp_path / "elsewhere"
    assert renew(server, enrolled, "--out", elsewhere).exit_code == 0
    assert content(enrolled) == before
    pair(elsewhere)
    assert isinstance(renew(server, enrolled, "--out", elsewhere).exception, Misuse)
    assert renew(server, elsewhere, "--out", elsewhere).exit_code == 0


def test_links_to_the_pair_stay_links(server: Server, enrolled: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for name in ("client.pem", "client.key"):
        (links / name).symlink_to(enrolled / name)
    old, _ = pair(enrolled)
    assert renew(server, links).exit_code == 0
    assert pair(enrolled)[0] == pair(links)[0] != old
    assert all(link.is_symlink() for link in links.iterdir())


def test_until_the_new_one_is_there_the_old_pair_stays(server: Server, enrolled: Path) -> None:
    before = content(enrolled)
    server.script(Reset("before"), Pend(), Reject())
    for status in (4, 3, 1):
        assert renew(server, enrolled, "--no-wait").exit_code == status
        assert content(enrolled).items() >= before.items()
    assert content(enrolled) == before
    assert server.told == ["PKCSReq", "RenewalReq", "RenewalReq", "CertPoll", "RenewalReq"]


def test_a_renewal_that_waits_is_gone_on_with_by_its_holder_alone(server: Server, enrolled: Path, tmp_path: Path) -> None:
    server.script(Pend(), Issue())
    assert renew(server, enrolled, "--no-wait", "--out", tmp_path / "next").exit_code == 3
    other = tmp_path / "other"
    server_options = ("--challenge-env", "CHALLENGE", "--out", other)
    transactions = server.transactions
    assert run("enroll", server.url, "--cn", "other", *server_options, "--no-wait").exit_code == 0
    done = renew(server, other, "--out", tmp_path / "next")
    assert isinstance(done.exception, Misuse)
    assert "--cert" in str(done.exception)
    server.script(Issue())
    assert renew(server, enrolled, "--out", tmp_path / "next").exit_code == 0
    assert transactions < server.transactions
    pair(tmp_path / "next")


def test_a_pair_that_is_none_is_misuse(server: Server, enrolled: Path) -> None:
    asked = server.operations
    (enrolled / "client.pem").write_bytes((enrolled / "chain.pem").read_bytes())
    assert isinstance(renew(server, enrolled).exception, Misuse)
    assert server.operations == asked


def test_wherever_a_renewal_is_killed_the_next_run_ends_well(server: Server, enrolled: Path) -> None:
    with killing() as killed:
        for step in range(1, 100):
            old, _ = pair(enrolled)
            before = server.transactions
            server.script(Pend(), Issue())
            arguments = ("--cert", enrolled / "client.pem", "--key", enrolled / "client.key", "--poll-first", "0.1")
            code = killed(enrolled, step, "renew", server.url, *arguments)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            if not server.transactions - before or (enrolled / "pending.json").exists():
                assert renew(server, enrolled).exit_code == 0
            new, _ = pair(enrolled)
            assert new.serial_number != old.serial_number
            assert len(server.transactions - before) == 1
            assert set(content(enrolled)) == {"client.key", "client.pem", "chain.pem"}
    assert code == 0
    assert step > 20
