"""`hil proxy` as it is called: what it serves, prints and leaves, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from proxied import CSR, KEY, QUERY, Server, a_request, by_endpoint, response
from typer.testing import CliRunner

from hil.cli.proxy import proxy
from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.scep import signers
from hil.scep.authority import to_pem
from hil.scep.ca import Authority, CaService
from hil.scep.client import Client, Issued, Pending
from hil.scep.endpoint import Endpoint
from hil.scep.http import ScepHttpError, Transport

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """The command at work: where it listens, and what it printed by its end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.first = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+)/scep/proxy/1/pkiclient\.exe, or any other path there, is now ", self.first)
        assert found, self.first
        self.url = found[1]

    def end(self, by: signal.Signals) -> tuple[int, list[str]]:
        self._process.send_signal(by)
        said, complaint = self._process.communicate(timeout=60)
        assert complaint == ""
        return self._process.returncode, said.splitlines()


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    command = [sys.executable, "-W", "error", "-m", "hil.cli", "proxy", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, text=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.fixture
def upstream(authority: Authority) -> Iterator[Server]:
    service = CaService(authority, signers.issue(authority), clock=ScaledClock())
    with Server(by_endpoint(Endpoint(service))) as server:
        yield server


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_stands_where_the_server_stood_at_any_path(upstream: Server, tmp_path: Path, by: signal.Signals) -> None:
    record = tmp_path / "record"
    with running(upstream.url, "--record", str(record), "--script", "HttpError(503)", "--script", "Issue()") as command:
        with Transport(f"{command.url}/ejbca/publicweb/apply/scep/pkiclient.exe") as transport:
            client = Client(transport)
            server = client.discover()
            with pytest.raises(ScepHttpError, match="503"):
                client.enrol(CSR, KEY, server=server)
            issued = client.enrol(CSR, KEY, server=server)
        assert isinstance(issued, Issued)
        status, lines = command.end(by)
    assert status == 0
    clock, client_address = r"\d\d:\d\d:\d\d", r"127\.0\.0\.1:\d+"
    expected = [
        "GET GetCACaps -> 200",
        "GET GetCACert -> 200",
        r"POST PKIOperation PKCSReq [0-9A-F]{32} -> 503 HttpError\(status=503\)",
        f"POST PKIOperation PKCSReq {issued.transaction_id} -> 200 SUCCESS",
    ]
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(f"{clock} {client_address} {pattern}", line), line
    exchanges = [json.loads(line) for line in (record / "exchanges.jsonl").read_text().splitlines()]
    assert [one["files"]["reply"] for one in exchanges] == ["0001-reply.txt", "0002-reply.der", None, "0004-reply.der"]
    assert {file.stat().st_mode & 0o077 for file in record.iterdir()} == {0}
    ledger = [json.loads(line) for line in (record / "ca-ledger.jsonl").read_text().splitlines()]
    assert [line["answer"] for line in ledger] == [None, "SUCCESS"]


def test_it_speaks_for_the_ca_with_its_key(authority: Authority, upstream: Server, tmp_path: Path) -> None:
    pem = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(pem)
    (tmp_path / "ca.pem").write_bytes(to_pem(authority.certificate))
    speaker = ("--key", str(tmp_path / "ca.key"), "--certificate", str(tmp_path / "ca.pem"))
    with running(upstream.url, "--record", str(tmp_path / "r"), "--script", "Pend()", "--script", "Issue()", *speaker) as command:
        with Transport(command.url) as transport:
            outcome = Client(transport).enrol(CSR, KEY)
            assert isinstance(outcome, Pending)
            assert isinstance(Client(transport).poll(outcome), Issued)
        assert command.end(signal.SIGINT)[0] == 0


def test_a_fault_is_a_line_and_terminals_are_not_obeyed(authority: Authority, tmp_path: Path) -> None:
    answers = iter([b"", response(b"\x1b[2Jgone", status="500 No")])
    with Server(lambda _: next(answers)) as server, running(server.url, "--record", str(tmp_path / "r")) as command:
        for status in (502, 500):
            assert httpx.post(command.url + QUERY, content=a_request(authority)).status_code == status
        _, lines = command.end(signal.SIGINT)
    fault, first, second = lines
    assert "fault: the CA cannot be asked" in fault
    assert "-> 502 (the CA cannot be asked" in first
    assert "-> 500 (HTTP 500:  [2Jgone)" in second


def test_it_ends_while_the_ca_holds_its_answer_back(authority: Authority, tmp_path: Path) -> None:
    with (
        Server(lambda _: b"", holds=True) as server,
        running(server.url, "--record", str(tmp_path / "r")) as command,
        socket.create_connection(("127.0.0.1", int(command.url.rpartition(":")[2])), timeout=60) as client,
    ):
        client.sendall(b"GET /?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.arrived.wait(60)
        assert command.end(signal.SIGINT)[0] == 0
        assert client.recv(1) == b""


Call = Callable[[Sequence[str]], BaseException | None]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Calls the command, with a folder to record into, and gives what it raised."""
    app = typer.Typer()
    app.command()(proxy)

    def run(arguments: Sequence[str]) -> BaseException | None:
        return CliRunner().invoke(app, [*arguments, "--record", str(tmp_path / "r")]).exception

    return run


URL = "http://127.0.0.1:9/scep"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["ca.example.com"], "UPSTREAM-URL: 'ca.example.com' is no URL of a SCEP server"),
        ([URL, "--listen", "8080"], "--listen: '8080' is no address and port; for example 127.0.0.1:8080"),
        ([URL, "--listen", "127.0.0.1:99999"], "--listen: '127.0.0.1:99999' is no address and port"),
        ([URL, "--script", "Isue()"], "--script: there is no answer Isue; there are Drip, "),
        (
            [URL, "--script", "Pend()"],
            "--script: Pend(times=1) cannot be played before a real CA: needs the CA's signature; give the key",
        ),
        ([URL, "--key", "a.pem"], "--key and --certificate: one without the other; give both, or neither"),
        ([URL, "--key", __file__, "--certificate", __file__], "test_proxy_command.py: --key: not a private key"),
        ([URL, "--trust", "/nowhere.pem"], "/nowhere.pem: --trust: cannot be read"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_served(call: Call, arguments: list[str], problem: str) -> None:
    error = call(arguments)
    assert isinstance(error, Misuse)
    assert problem in str(error)


def test_a_certificate_that_cannot_be_read_is_named(call: Call, tmp_path: Path, authority: Authority) -> None:
    key = tmp_path / "ca.key"
    key.write_bytes(authority.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    error = call([URL, "--key", str(key), "--certificate", str(key)])
    assert isinstance(error, Misuse)
    assert (error.file, error.key, error.remedy) == (str(key), "--certificate", "give one as PEM")


def test_a_folder_that_cannot_be_written_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("in the way")
    error = call([URL])
    assert isinstance(error, Misuse)
    assert (error.file, error.key) == (str(tmp_path / "r"), "--record")


def test_a_port_that_is_taken_is_named_and_nothing_is_made(call: Call, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        error = call([URL, "--listen", place])
    assert isinstance(error, LabFault)
    assert place in str(error)
    assert not (tmp_path / "r").exists()
