"""What the tests of SCEP share: keys made once, authorities, and a CA behind a real socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.clock import ManualClock
from hil.scep import build
from hil.scep.authority import Authority, self_signed
from hil.scep.ca import CaService
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.endpoint import Endpoint
from hil.scep.messages import MessageType
from hil.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = (("C", "US"), ("O", "Lab, Inc."), ("CN", "19WZ1234567A"))
NONCE = bytes(range(16))
Make = Callable[..., bytes]


@pytest.fixture(scope="session")
def key() -> RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_key() -> RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("Bench CA", ManualClock())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signer(key: RSAPrivateKey) -> Certificate:
    return self_signed(read_csr(build_csr(key, SUBJECT, challenge_password=None)).subject_der, key, NOW)


@pytest.fixture
def request_of(key: RSAPrivateKey, signer: Certificate, authority: Authority) -> Make:
    """Builds a PKCSReq for the authority."""

    def make(digest: str = "sha256", cipher: str = "aes-128-cbc", content: bytes | None = None) -> bytes:
        return build.build_request(
            MessageType.PKCSReq,
            content or build_csr(key, SUBJECT, challenge_password=Secret("swordfish"), digest=digest),
            signer=signer,
            key=key,
            recipient=authority.certificate,
            transaction_id="1D6FFBE8B6EF",
            sender_nonce=NONCE,
            digest=digest,
            cipher=cipher,
        )

    return make


Serve = Callable[[CaService | Endpoint], str]


class _Server(ThreadingHTTPServer):
    endpoint: Endpoint
    seen: list[tuple[str, str]]


@pytest.fixture
def server() -> Iterator[_Server]:
    """An HTTP server on loopback; set its `endpoint`, read what it has `seen`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def serve(server: _Server) -> Serve:
    """Put a CA, or one with HTTP habits of its own, behind a URL on loopback."""

    def put(service: CaService | Endpoint) -> str:
        server.endpoint = service if isinstance(service, Endpoint) else Endpoint(service)
        return f"http://127.0.0.1:{server.server_address[1]}/scep/pkiclient.exe"

    return put


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.server.seen.append((self.command, self.path))
        reply = self.server.endpoint.answer(self.command, self.path, body)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        pass
