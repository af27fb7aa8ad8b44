"""`hil decode` as a user runs it."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from hil.capture.keys import load_key
from hil.cli.decode import decode
from hil.errors import Misuse

EXCHANGE = {
    "index", "frames", "times", "client", "server", "operation", "http", "ca_identifier", "capabilities", "certificates",
    "request", "reply", "problems", "notes",
}  # fmt: skip
MESSAGE = {
    "message_type", "transaction_id", "sender_nonce", "recipient_nonce", "status", "fail_info", "digest", "signature_valid",
    "signer", "content_cipher", "decrypted", "csr", "issued",
}  # fmt: skip


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(decode)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def decoded(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_capture_with_its_keys(vectors: Path) -> None:
    lab = vectors / "lab/jscep_server"
    keys = ["--key", lab / "ca.key.pem", "--key", lab / "key_k.pem"]
    told = decoded(lab / "sscep_des_sha1.pcap", *keys)
    assert told.keys() == {"exchanges", "problems", "notes"}
    capabilities, enrolment = told["exchanges"]
    assert enrolment.keys() == EXCHANGE
    assert enrolment["request"].keys() == enrolment["reply"].keys() == MESSAGE
    assert capabilities["capabilities"] == ["AES", "POSTPKIOperation", "SHA-512", "SHA-256", "SHA-1", "DES3"]
    assert (enrolment["index"], enrolment["frames"]) == (2, {"request": 14, "reply": 16})
    assert enrolment["times"]["request"] == "2026-11-23T08:46:25.925544Z"
    assert enrolment["http"]["method"] == "POST"
    request, reply = enrolment["request"], enrolment["reply"]
    assert (request["message_type"], request["digest"], request["content_cipher"]) == ("PKCSReq", "sha1", "des-cbc")
    assert (request["csr"]["subject"], request["csr"]["key_bits"]) == ("CN=phone-sscep,O=Lab,C=US", 2048)
    assert (reply["message_type"], reply["status"], reply["fail_info"]) == ("CertRep", "SUCCESS", None)
    assert [one["serial"] for one in reply["issued"]] == ["3ae74ddc306cc1cf"]
    assert reply["recipient_nonce"] == request["sender_nonce"]
    assert enrolment["problems"] == told["problems"] == []


def test_challenge_passwords_only_with_show_secrets(vectors: Path) -> None:
    lab = vectors / "lab/jscep_server"
    arguments = [lab / "sscep_des_sha1.pcap", "--key", lab / "ca.key.pem"]
    shown = decoded(*arguments, "--show-secrets")["exchanges"][1]["request"]["csr"]["challenge_password"]
    assert shown not in ("present", "absent")
    assert decoded(*arguments)["exchanges"][1]["request"]["csr"]["challenge_password"] == "present"
    assert shown not in run(*arguments).output
    assert shown in run(*arguments, "--show-secrets").output


def test_without_keys_the_envelope_stays_closed(vectors: Path) -> None:
    told = decoded(vectors / "lab/jscep_server/sscep_des_sha1.pcap")["exchanges"][1]
    assert (told["request"]["decrypted"], told["request"]["csr"], told["reply"]["issued"]) == (False, None, None)
    assert "recipientNonce none" in run(vectors / "lab/jscep_server/sscep_des_sha1.pcap").output


@pytest.mark.parametrize("form", ["der", "pem", "base64"])
def test_a_bare_message(vectors: Path, tmp_path: Path, form: str) -> None:
    data = (vectors / "lab/jscep_server/sscep_des_sha1_02_req.der").read_bytes()
    text = base64.encodebytes(data)
    file = tmp_path / "message"
    file.write_bytes({"der": data, "base64": text, "pem": b"-----BEGIN PKCS7-----\n" + text + b"-----END PKCS7-----\n"}[form])
    (told,) = decoded(file, "--key", vectors / "lab/jscep_server/ca.key.pem")["exchanges"]
    assert told.keys() == EXCHANGE
    assert (told["frames"], told["client"], told["reply"]) == ({"request": None, "reply": None}, None, None)
    assert told["request"]["csr"]["subject"] == "CN=phone-sscep,O=Lab,C=US"


def test_several_files_are_numbered_through_and_named(vectors: Path) -> None:
    lab = vectors / "lab/jscep_server"
    files = [lab / "sscep_des_sha1.pcap", lab / "sscep_des_sha1_02_rep.der"]
    told = decoded(*files)["exchanges"]
    assert [one["index"] for one in told] == [1, 2, 3]
    assert [one["file"] for one in told] == [str(files[0])] * 2 + [str(files[1])]
    assert told[2]["reply"]["status"] == "SUCCESS"


def test_the_listing_names_frames_and_obeys_no_escape(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request("/s?operation=GetCACaps&message=%1b[31mred"))]
    packets.append(talk.answer(workshop.reply(b"AES\r\n")))
    (tmp_path / "c.pcap").write_bytes(workshop.pcap([workshop.framed(packet) for packet in packets]))
    result = run(tmp_path / "c.pcap")
    assert result.exit_code == 0
    assert "GetCACaps  frame 4 \N{RIGHTWARDS ARROW} 5" in result.output
    assert "\N{REPLACEMENT CHARACTER}[31mred" in result.output
    assert "\x1b[31m" not in result.output


def test_tls_is_a_note_and_no_problem(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk(server_port=443)
    packets = [*talk.opening(), talk.ask(b"\x16\x03\x01\x02\x00\x01")]
    (tmp_path / "c.pcap").write_bytes(workshop.pcap([workshop.framed(packet) for packet in packets]))
    note = "TLS to 10.0.0.1:443 is not opened (1 connections)"
    assert decoded(tmp_path / "c.pcap") == {"exchanges": [], "problems": [], "notes": [note]}
    assert f"note: {note}" in run(tmp_path / "c.pcap").output


def test_damage_is_a_problem_and_no_failure(vectors: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((vectors / "lab/jscep_server/sscep_des_sha1.pcap").read_bytes()[:4_000])
    told = decoded(cut)
    assert told["problems"][0].startswith("the file ends within frame")
    assert run(cut).exit_code == 0


def test_misuse_names_the_file(vectors: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"SET MYCERTURL http://ca")
    capture = vectors / "lab/jscep_server/sscep_des_sha1.pcap"
    for arguments in (
        [tmp_path / "absent"],
        [tmp_path],
        [noise],
        [capture, "--key", noise],
        [capture, "--key", tmp_path / "absent"],
    ):
        result = run(*arguments)
        assert isinstance(result.exception, Misuse)
        assert str(arguments[-1]) in str(result.exception)


def test_keys_in_every_form(vectors: Path, tmp_path: Path) -> None:
    key = load_key(vectors / "lab/jscep_server/ca.key.pem")
    der = tmp_path / "key.der"
    der.write_bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    assert load_key(der).private_numbers() == key.private_numbers()
    assert load_key(vectors / "lab/micromdm21/ca.key").key_size >= 2_048


def test_a_key_beside_its_certificate_and_one_that_a_password_locks(tmp_path: Path) -> None:
    """A certificate before the key, and OpenSSL's words around it, are passed over."""
    made, file = tmp_path / "made.pem", tmp_path / "key.pem"
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-keyout", str(made)]
    certificate = subprocess.run(openssl, check=True, capture_output=True, timeout=60).stdout
    key = load_key(made)
    file.write_bytes(b"Bag Attributes\n    friendlyName: x\n" + certificate + made.read_bytes().replace(b"\n", b"\r\n"))
    assert load_key(file).private_numbers() == key.private_numbers()
    secret = BestAvailableEncryption(b"swordfish")
    for encoding, form in (
        (Encoding.PEM, PrivateFormat.PKCS8),
        (Encoding.DER, PrivateFormat.PKCS8),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    ):
        file.write_bytes(key.private_bytes(encoding, form, secret))
        with pytest.raises(Misuse, match="a private key that a password locks"):
            load_key(file)
