"""https: a server is believed by the system's trust or by `--tls-ca`, and by nothing else."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cli_rig import facts, run
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.reference.store import key_pem
from hil.scep.authority import Authority
from hil.scep.ca import CaService
from hil.scep.endpoint import Endpoint
from hil.scep.signers import issue

NOW = datetime.datetime.now(datetime.UTC)


def write_identity(folder: Path, address: str) -> Path:
    """A self-signed certificate for a server at this address, and its key, in one file."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP server")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{address}.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + key_pem(key))
    return file


class Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.asked.append(self.path)
        reply = self.endpoint.answer(self.command, self.path, body)
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class TlsServer:
    """A CA behind https with this identity; `asked` are the requests that reached it."""

    def __init__(self, authority: Authority, identity: Path) -> None:
        self.asked: list[str] = []
        service = CaService(authority, issue(authority), clock=ScaledClock())
        handler = type("CaHandler", (Handler,), {"endpoint": Endpoint(service), "asked": self.asked})
        self._server = HTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/scep/pkiclient.exe"

    def __enter__(self) -> TlsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_identity(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def server(authority: Authority, identity: Path) -> Iterator[TlsServer]:
    with TlsServer(authority, identity) as server:
        yield server


def test_a_server_vouched_for_by_the_file_is_asked(server: TlsServer, identity: Path, tmp_path: Path) -> None:
    assert run("enroll", server.url, "--cn", "phone", "--out", tmp_path / "out", "--tls-ca", identity).exit_code == 0


def test_a_server_vouched_for_by_the_system_is_asked(server: TlsServer, identity: Path) -> None:
    assert run("getca", server.url, env={"SSL_CERT_FILE": str(identity)}).exit_code == 0


def test_a_server_that_nobody_vouches_for_is_asked_nothing(server: TlsServer) -> None:
    done = run("getca", server.url, "--json")
    assert (done.exit_code, facts(done)["reason"]) == (4, "TLS")
    assert server.asked == []


def test_another_server_than_the_one_named_is_asked_nothing(authority: Authority, tmp_path: Path) -> None:
    elsewhere = write_identity(tmp_path, "192.0.2.1")
    with TlsServer(authority, elsewhere) as server:
        done = run("getca", server.url, "--tls-ca", elsewhere, "--json")
    assert (done.exit_code, facts(done)["reason"]) == (4, "TLS")
    assert server.asked == []


def test_a_file_without_certificates_is_misuse(server: TlsServer, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "none.pem"):
        done = run("getca", server.url, "--tls-ca", tmp_path / name)
        assert isinstance(done.exception, Misuse)
        assert "--tls-ca" in str(done.exception)
