"""What stands behind a proxy in tests: a CA of the bench, or a server that answers octets as it is told, over TLS if asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hil.clock import ScaledClock
from hil.evidence import scep_path
from hil.scenario import Answer, Issue
from hil.scep.authority import self_signed
from hil.scep.build import build_request, new_nonce
from hil.scep.ca import Authority
from hil.scep.csr import build_csr, read_csr
from hil.scep.endpoint import Endpoint
from hil.scep.messages import MessageType
from hil.secret import Secret
from hil.services.lab import Lab
from hil.services.upstream import Upstream

KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = "only-for-this-test"
CSR = build_csr(KEY, (("O", "Lab"), ("CN", "19WZ1234567A")), challenge_password=Secret(PASSWORD))
QUERY = "?operation=PKIOperation"
_TLS_HANDSHAKE = b"\x16\x03"


def url(lab: Lab, device: str = "j179-1") -> str:
    """Where the device's first slot is asked."""
    return f"http://127.0.0.1:{lab.http_port}{scep_path(device, 1)}"


def a_request(authority: Authority, kind: MessageType = MessageType.PKCSReq, transaction_id: str = "T1") -> bytes:
    """A request of its own each time, as from a client that tries anew."""
    return build_request(
        kind,
        CSR,
        signer=self_signed(read_csr(CSR).subject_der, KEY, authority.certificate.not_before),
        key=KEY,
        recipient=authority.certificate,
        transaction_id=transaction_id,
        sender_nonce=new_nonce(),
    )


class ProxyLab(Lab):
    """Its scripts stand before a CA that issues always, in the lab `behind`, and they can speak for it."""

    def __init__(self, *, authority: Authority, state: Path, **how: Any) -> None:
        super().__init__(authority=authority, state=state, **how)
        self._speaker = authority.speaker
        self.behind = Lab(clock=ScaledClock(), authority=authority, state=state / "behind")

    def start(self) -> None:
        self.behind.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self.behind.stop()

    def script(self, device: str, slot: int, *, answers: Sequence[Answer] = (Issue(),), **_: Any) -> None:
        self.behind.script(device, slot)
        upstream = Upstream(f"http://127.0.0.1:{self.behind.http_port}{scep_path(device, slot)}")
        self.forward(device, slot, upstream, answers=answers, speaker=self._speaker)


class Server:
    """Reads one HTTP request from each connection, keeps it, and sends what `answer` makes of it.

    Then it closes, or, where `holds`, waits until the client does.
    """

    def __init__(
        self, answer: Callable[[bytes], bytes], *, holds: bool = False, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self._answer, self._holds, self._tls = answer, holds, tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self.asked: list[bytes] = []
        self.arrived = threading.Event()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/real/pkiclient.exe"

    def __enter__(self) -> Server:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # a client that leaves, or whom TLS displeases
            connection.settimeout(60)
            side = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with side:
                request = _read_request(side)
                self.asked.append(request)
                self.arrived.set()
                side.sendall(self._answer(request))
                while self._holds and side.recv(65_536):
                    pass


def _read_request(side: socket.socket) -> bytes:
    octets = _more(side)
    while b"\r\n\r\n" not in octets:
        octets += _more(side)
    head, _, body = octets.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0]) if lengths else False:
        body += _more(side)
    return head + b"\r\n\r\n" + body


def _more(side: socket.socket) -> bytes:
    octets = side.recv(65_536)
    if not octets or octets.startswith(_TLS_HANDSHAKE):
        raise ConnectionError("the client has left, or speaks TLS to who does not")
    return octets


def response(body: bytes, content_type: str = "text/plain", status: str = "200 OK", extra: str = "") -> bytes:
    """An HTTP response whole."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def by_endpoint(endpoint: Endpoint) -> Callable[[bytes], bytes]:
    """What a CA of the bench answers to the octets of an HTTP request."""

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        reply = endpoint.answer(method, target, body)
        return response(reply.body, reply.content_type, f"{reply.status} Told")

    return answer


def tls_server(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a certificate for `host`, an address or a name, and the PEM of the CA made for it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Web CA of a test")])
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    ca = _certificate(ca_name, ca_name, ca_key).add_extension(constraints, critical=True).sign(ca_key, hashes.SHA256())
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([alternative])
    certificate = _certificate(name, ca_name, key).add_extension(names, critical=False).sign(ca_key, hashes.SHA256())
    (folder / "web-ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    (folder / "web.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "web.pem")
    return context, folder / "web-ca.pem"


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
