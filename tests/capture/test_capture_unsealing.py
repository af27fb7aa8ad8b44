"""SCEP over TLS in captures made by hand from handshakes of the ssl module, opened with the key log that it writes."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from hil.capture.files import CaptureFile
from hil.capture.keylog import read_key_log
from hil.capture.transcript import Transcript, read_packets
from hil.cli.decode import decode
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority, key_to_pem, to_pem

ASKS = b"GET /scep/j179-1/1/pkiclient.exe?operation=GetCACaps&message=CAIdentifier HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"
ANSWERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nSHA-1\n"
FETCHES = b"GET /46xxsettings.txt HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"

Flights = list[tuple[bool, bytes]]


class Identity(NamedTuple):
    """The server's certificate with its key, and its CA's, on disk."""

    server: Path
    root: Path


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("identity")
    authority, key = Authority.create("Lab CA", ScaledClock()), rsa.generate_private_key(65537, 2048)
    (folder / "server").write_bytes(key_to_pem(key) + to_pem(authority.issue_server(public_key_der(key), ("10.0.0.1",))))
    (folder / "root").write_bytes(to_pem(authority.certificate))
    return Identity(folder / "server", folder / "root")


def crossing(
    workshop: SimpleNamespace,
    identity: Identity,
    keys: Path,
    says: bytes = ASKS,
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    ciphers: str = "DEFAULT",
) -> Flights:
    """What crosses a connection on which a client asks and is answered, whose secrets go to `keys`."""
    client = ssl.create_default_context(cafile=identity.root)
    client.minimum_version = client.maximum_version = version
    client.set_ciphers(ciphers)
    client.keylog_filename = str(keys)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(identity.server)
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    return workshop.over_tls(client, server, says, ANSWERS)


def told(workshop: SimpleNamespace, sent: list[bytes], keys: Path) -> Transcript:
    capture = CaptureFile(workshop.pcap([workshop.framed(packet) for packet in sent]))
    return read_packets(capture, "by hand", key_log=read_key_log(keys))


SEALS = [
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-CHACHA20-POLY1305"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-SHA384"),
    (ssl.TLSVersion.TLSv1_2, "AES256-SHA256:@SECLEVEL=0"),
    (ssl.TLSVersion.TLSv1_3, "DEFAULT"),
]


@pytest.mark.parametrize(("version", "ciphers"), SEALS)
@pytest.mark.parametrize("piece", [7, 1_400])
def test_an_exchange_is_read_with_the_frames_that_carried_it(
    workshop: SimpleNamespace, identity: Identity, tmp_path: Path, version: ssl.TLSVersion, ciphers: str, piece: int
) -> None:
    crossed = crossing(workshop, identity, tmp_path / "keys", version=version, ciphers=ciphers)
    sent = workshop.in_segments(crossed, piece=piece)
    transcript = told(workshop, sent, tmp_path / "keys")
    assert (transcript.problems, transcript.notes) == ((), ())
    [exchange] = transcript.exchanges
    assert (exchange.operation, exchange.capabilities, exchange.problems) == ("GetCACaps", ("SHA-1",), ())
    assert (exchange.path, exchange.client, exchange.server) == ("/scep/j179-1/1/pkiclient.exe", "10.0.0.7:50000", "10.0.0.1:80")
    assert exchange.reply_frame == len(sent)
    last_of_request = len(sent) - -(-len(crossed[-1][1]) // piece)
    assert exchange.request_frame == last_of_request


def test_without_its_secrets_a_connection_stays_sealed(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    sent = workshop.in_segments(crossing(workshop, identity, tmp_path / "keys"))
    (tmp_path / "others").write_text("# a comment\nCLIENT_RANDOM " + "00" * 32 + " " + "11" * 48 + "\nnonsense\n")
    for keys in ("others", "none"):
        transcript = told(workshop, sent, tmp_path / keys)
        assert transcript.exchanges == ()
        assert transcript.problems == ()
        assert any("is not opened" in note for note in transcript.notes)


def test_what_else_is_asked_over_tls_is_not_told(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    transcript = told(workshop, workshop.in_segments(crossing(workshop, identity, tmp_path / "keys", FETCHES)), tmp_path / "keys")
    assert (transcript.exchanges, transcript.fetches, transcript.problems) == ((), (), ())


def test_what_is_missing_of_a_sealed_connection_is_a_problem(
    workshop: SimpleNamespace, identity: Identity, tmp_path: Path
) -> None:
    sent = workshop.in_segments(crossing(workshop, identity, tmp_path / "keys"), piece=60)
    transcript = told(workshop, [*sent[:-4], *sent[-3:]], tmp_path / "keys")
    assert any("missing from the capture" in problem for problem in transcript.problems)


def test_a_record_that_does_not_open_is_a_problem(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    crossed = crossing(workshop, identity, tmp_path / "keys")
    flight = bytearray(crossed[-2][1])
    flight[-1] ^= 1
    crossed[-2] = (True, bytes(flight))
    transcript = told(workshop, workshop.in_segments(crossed), tmp_path / "keys")
    assert any("a record does not open" in problem for problem in transcript.problems)


def test_a_record_too_short_to_be_sealed_is_a_problem(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    crossed = crossing(workshop, identity, tmp_path / "keys", ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    crossed[-2] = (True, b"\x17\x03\x03\0\x0a" + bytes(10))
    transcript = told(workshop, workshop.in_segments(crossed), tmp_path / "keys")
    assert any("a record does not open" in problem for problem in transcript.problems)


def decoded(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(decode)
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    return json.loads(result.output)


def test_decode_opens_tls_by_a_key_log(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    sent = workshop.in_segments(crossing(workshop, identity, tmp_path / "keys"))
    capture, others = tmp_path / "c.pcap", tmp_path / "others"
    capture.write_bytes(workshop.pcap([workshop.framed(packet) for packet in sent]))
    others.write_bytes(b"")
    [exchange] = decoded(capture, "--keylog", others, "--keylog", tmp_path / "keys")["exchanges"]
    assert exchange["capabilities"] == ["SHA-1"]
    sealed = decoded(capture, "--keylog", others)
    assert sealed["exchanges"] == []
    assert "is not opened" in sealed["notes"][0]


@pytest.mark.parametrize("problem", ["absent", "no key log"])
def test_decode_says_which_key_log_is_none(workshop: SimpleNamespace, tmp_path: Path, problem: str) -> None:
    capture, log = tmp_path / "c.pcap", tmp_path / "log"
    capture.write_bytes(workshop.pcap([]))
    if problem != "absent":
        log.write_bytes(b"SET MYCERTURL http://ca\n")
    with pytest.raises(Misuse, match=str(log)):
        decoded(capture, "--keylog", log)


@pytest.mark.parametrize("order", ["<", ">"])
def test_secrets_that_the_capture_brings_open_it(
    workshop: SimpleNamespace, identity: Identity, tmp_path: Path, order: str
) -> None:
    sent = workshop.in_segments(crossing(workshop, identity, tmp_path / "keys", version=ssl.TLSVersion.TLSv1_3))
    lines = (tmp_path / "keys").read_bytes().splitlines(keepends=True)
    frames = [(0, workshop.framed(packet)) for packet in sent]
    [exchange] = workshop.transcribe(workshop.pcapng(frames, order=order, secrets=lines)).exchanges
    assert exchange.capabilities == ("SHA-1",)


def test_secrets_that_editcap_put_into_a_capture_open_it(workshop: SimpleNamespace, identity: Identity, tmp_path: Path) -> None:
    sent = workshop.in_segments(crossing(workshop, identity, tmp_path / "keys"))
    plain, opened = tmp_path / "plain.pcap", tmp_path / "opened.pcapng"
    plain.write_bytes(workshop.pcap([workshop.framed(packet) for packet in sent]))
    inject = ["editcap", "--inject-secrets", f"tls,{tmp_path / 'keys'}", str(plain), str(opened)]
    subprocess.run(inject, check=True, capture_output=True, timeout=60)
    [exchange] = decoded(opened)["exchanges"]
    assert exchange["operation"] == "GetCACaps"


@pytest.mark.parametrize("body", [b"", b"KSLT", b"KSLT\xff\xff\xff\xff", b"KSLT\x08\0\0\0nonsense", b"KGGR\x04\0\0\0abcd"])
def test_a_block_of_secrets_that_tells_none_is_passed_over(workshop: SimpleNamespace, body: bytes) -> None:
    talk = workshop.Talk()
    capture = workshop.pcapng([(0, workshop.framed(packet)) for packet in talk.opening()])
    end_of_section = int.from_bytes(capture[4:8], "little")
    transcript = workshop.transcribe(capture[:end_of_section] + workshop.block("<", 10, body) + capture[end_of_section:])
    assert (transcript.packets, transcript.problems) == (3, ())
