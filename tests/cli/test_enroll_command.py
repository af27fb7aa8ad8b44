from __future__ import annotations

import stat
from ipaddress import ip_address
from pathlib import Path

import pytest
from cli_rig import PASSWORD, Server, facts, pair, run
from cryptography import x509
from typer.testing import Result

from hil.cli.obtain import SINGLE_DES
from hil.errors import LabFault, Misuse
from hil.scenario import Answer, Issue, Pend, Reject


def enroll(*arguments: str | Path) -> Result:
    return run("enroll", *arguments)


def test_an_issued_certificate_and_its_key_are_written_for_their_owner_only(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    done = enroll(server.url, "--cn", "phone", "--dn", "/C=US/O=Lab", "--challenge-env", "CHALLENGE", "--out", out, "--json")
    assert done.exit_code == 0
    told = facts(done)
    assert (told["outcome"], told["subject"], told["issuer"]) == ("issued", "CN=phone,O=Lab,C=US", "CN=Lab CA,O=J100 bench")
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {
        "client.key": 0o600,
        "client.pem": 0o600,
        "chain.pem": 0o600,
    }
    certificate = x509.load_pem_x509_certificate((out / "client.pem").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((out / "chain.pem").read_bytes()))
    assert pair(out)[0] == certificate
    assert f"{certificate.serial_number:x}" == told["serial"]
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
    assert enroll(server.url, "--cn", "phone", "--out", tmp_path / "out", *options).exit_code == 0
    [csr] = server.signer.csrs
    assert (csr.key_bits, csr.signature_digest, csr.subject) == (1024, "sha512", "CN=phone")
    assert "lab" in [event.details.get("identifier") for event in server.lab.events.since()]


@pytest.mark.parametrize("cipher", ["des", "3des", "aes128", "aes256"])
def test_every_cipher_can_be_chosen(server: Server, tmp_path: Path, cipher: str) -> None:
    done = enroll(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--cipher", cipher, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "outcome: issued" in done.stdout


def test_single_des_is_noted_where_the_server_offers_no_better(server: Server, tmp_path: Path) -> None:
    server.script(Issue(), capabilities=("POSTPKIOperation",))
    options = ("--challenge-env", "CHALLENGE", "--json", "--out")
    assert SINGLE_DES in facts(enroll(server.url, "--cn", "phone", *options, tmp_path / "taken"))["notes"]
    insisting = facts(enroll(server.url, "--cn", "phone", *options, tmp_path / "insisting", "--cipher", "aes256"))
    assert SINGLE_DES not in insisting["notes"]


def test_a_refusal_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    server.script(Reject("badTime"))
    done = enroll(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 1
    told = facts(done)
    assert (told["outcome"], told["fail_info"], told["state"]) == ("rejected", "badTime", None)
    assert not (tmp_path / "out").exists()


def test_what_is_pending_is_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    server.script(Pend())
    out = tmp_path / "out"
    done = enroll(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", out, "--no-wait", "--json")
    assert done.exit_code == 3
    told = facts(done)
    assert (told["outcome"], told["polls"], told["state"]) == ("pending", 0, str(out / "pending.json"))
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in (out, *out.iterdir())} == {
        out: 0o700,
        out / "pending.json": 0o600,
    }
    assert PASSWORD not in (out / "pending.json").read_text() + done.output


def test_a_missing_password_is_rejected(server: Server, tmp_path: Path) -> None:
    assert enroll(server.url, "--cn", "phone", "--out", tmp_path / "out").exit_code == 1


def test_no_answer_is_status_4(tmp_path: Path) -> None:
    done = enroll("http://127.0.0.1:9/pkiclient.exe", "--cn", "phone", "--out", tmp_path, "--json")
    assert done.exit_code == 4
    assert (facts(done)["outcome"], facts(done)["reason"]) == ("no answer", "no connection")


def test_user_and_password_of_a_url_are_not_repeated(tmp_path: Path) -> None:
    url = "http://bench:hunter2@127.0.0.1:9/scep"
    wrong = run("enroll", url, "--cn", "phone", "--out", tmp_path)
    assert isinstance(wrong.exception, Misuse)
    away = LabFault("no answer", tried=f"POST {url}", seen=f"{url} is away")
    for told in (str(wrong.exception), wrong.exception.problem, str(away), away.tried, away.seen):
        assert told is not None
        assert "http://(hidden)@127.0.0.1:9/scep" in told
        assert "hunter2" not in told


def test_every_outcome_tells_the_same_keys(server: Server, tmp_path: Path) -> None:
    told = []
    answers: dict[str, Answer] = {"issued": Issue(), "rejected": Reject(), "pending": Pend()}
    for name, answer in answers.items():
        server.script(answer)
        options = ("--challenge-env", "CHALLENGE", "--out", tmp_path / name, "--no-wait", "--json")
        told.append(facts(enroll(server.url, "--cn", "phone", *options)))
    told.append(facts(enroll("http://127.0.0.1:9/", "--cn", "phone", "--out", tmp_path / "none", "--json")))
    assert [each["outcome"] for each in told] == ["issued", "rejected", "pending", "no answer"]
    assert len({tuple(each) for each in told}) == 1


def test_alternative_names_are_asked_for(server: Server, tmp_path: Path) -> None:
    names = ("--san", "dns:phone.example", "--san", "ip:192.0.2.1", "--san", "ip:2001:db8::1", "--san", "email:a@b.example")
    options = ("--challenge-env", "CHALLENGE", "--out", tmp_path / "out")
    assert enroll(server.url, "--cn", "phone", *names, "--san", "uri:urn:x", *options).exit_code == 0
    [csr] = server.signer.csrs
    asked = x509.load_der_x509_csr(csr.der)
    assert asked.is_signature_valid
    assert asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == x509.SubjectAlternativeName(
        [
            x509.DNSName("phone.example"),
            x509.IPAddress(ip_address("192.0.2.1")),
            x509.IPAddress(ip_address("2001:db8::1")),
            x509.RFC822Name("a@b.example"),
            x509.UniformResourceIdentifier("urn:x"),
        ]
    )


def test_a_terminal_is_not_obeyed_from_afar(server: Server, tmp_path: Path) -> None:
    done = enroll(server.url, "--cn", "a\x1b[2Jb", "--challenge-env", "CHALLENGE", "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dn", "C=US,O=Lab"], "--dn"),
        (["--challenge-env", "hunter2"], "--challenge-env: no variable of that name is set; name one that holds it"),
        (["--challenge-file", "{folder}/none"], "cannot be read"),
        (["--challenge-file", "{folder}/open"], "chmod 600"),
        (["--challenge-env", "CHALLENGE", "--challenge-file", "{folder}/open"], "not both"),
        (["--san", "phone.example"], "--san"),
        (["--san", "dns:"], "--san"),
        (["--san", "dns:b\u00fcro.example"], "--san"),
        (["--san", "ip:192.0.2.300"], "--san"),
        (["--fingerprint", "AB:CD"], "--fingerprint"),
        (["--fingerprint", "xy" * 32], "--fingerprint"),
        (["--fingerprint", "00" * 32, "--ca", "{folder}/open"], "not both"),
        (["--ca", "{folder}/none"], "--ca"),
        (["--ca", "{folder}/open"], "--ca"),
        (["--tls-ca", "{folder}/open"], "not https"),
    ],
)
def test_misuse_is_told_before_anything_is_asked(server: Server, tmp_path: Path, options: list[str], says: str) -> None:
    (tmp_path / "open").write_text(PASSWORD)
    (tmp_path / "open").chmod(0o644)
    done = enroll(server.url, "--cn", "phone", "--out", tmp_path / "out", *[text.format(folder=tmp_path) for text in options])
    assert isinstance(done.exception, Misuse)
    assert says in str(done.exception)
    assert "hunter2" not in str(done.exception)
    assert server.lab.events.since() == ()


@pytest.mark.parametrize("cn", ["", " "])
def test_a_name_that_is_none_is_misuse(server: Server, tmp_path: Path, cn: str) -> None:
    done = enroll(server.url, "--cn", cn, "--out", tmp_path / "out")
    assert isinstance(done.exception, Misuse)
    assert done.exception.key == "--cn"
    assert server.operations == []


def test_an_existing_key_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "client.key").write_text("precious")
    done = enroll(server.url, "--cn", "phone", "--out", tmp_path)
    assert isinstance(done.exception, Misuse)
    assert (tmp_path / "client.key").read_text() == "precious"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:80", "http://127.0.0.1/x?y=1", ""])
def test_a_url_that_is_none_is_misuse(tmp_path: Path, url: str) -> None:
    done = enroll(url, "--cn", "phone", "--out", tmp_path / "out")
    assert isinstance(done.exception, Misuse)
    assert "URL" in str(done.exception)


def test_a_folder_that_cannot_be_written_is_misuse(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = enroll(server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path / "file" / "below")
    assert isinstance(done.exception, Misuse)
    assert "--out" in str(done.exception)
