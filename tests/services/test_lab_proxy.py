"""A lab with a real CA behind a slot: what is passed on, what is recorded, and what goes wrong on the way."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from proxied import CSR, KEY, PASSWORD, QUERY, Server, a_request, by_endpoint, response, url

from hil.asn1 import read
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName, scep_path
from hil.scenario import Answer, Drip, HttpError, Issue
from hil.scep import cms, signers
from hil.scep.build import build_cert_rep, new_nonce
from hil.scep.ca import Authority, CaService
from hil.scep.client import Client, Issued
from hil.scep.csr import build_csr
from hil.scep.endpoint import Endpoint
from hil.scep.http import Transport
from hil.scep.messages import PkiStatus, read_message
from hil.scep.personas import PERSONAS, Admission, Persona
from hil.secret import Secret
from hil.services.events import Event
from hil.services.lab import Lab
from hil.services.upstream import Upstream


def enrol(lab: Lab, device: str = "j179-1") -> object:
    with Transport(url(lab, device), user_agent="AVAYA/J179-4.0.13.0.6") as transport:
        return Client(transport).enrol(CSR, KEY, identifier="CAIdentifier")


def events(lab: Lab, name: EventName) -> list[Event]:
    return [event for event in lab.events.since() if event.name is name]


def exchanges(lab_state: Path, device: str = "j179-1") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (lab_state / "proxy" / f"{device}-1" / "exchanges.jsonl").read_text().splitlines()]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder that the lab of the test keeps."""
    return tmp_path / "lab"


@pytest.fixture
def ca(authority: Authority) -> CaService:
    return CaService(authority, signers.issue(authority), clock=ScaledClock())


@pytest.fixture
def upstream(ca: CaService) -> Iterator[Server]:
    """A CA of the bench behind a server of its own."""
    with Server(by_endpoint(Endpoint(ca))) as server:
        yield server


@pytest.mark.parametrize("persona", PERSONAS.values(), ids=list(PERSONAS))
def test_every_ca_is_enrolled_with_as_if_it_stood_there(lab: Lab, persona: Persona) -> None:
    clock = ScaledClock()
    authority = persona.authority("Played CA", clock, levels=2)
    admission = Admission(Secret(PASSWORD), signers.EndEntities(passwords={"19WZ1234567A": Secret(PASSWORD)}))
    password = admission.one_time.new(clock.now()) if persona.name == "ndes" else Secret(PASSWORD)
    service = persona.service(authority, admission, clock=clock)
    csr = build_csr(KEY, (("O", "Lab"), ("CN", "19WZ1234567A")), challenge_password=password)
    with Server(by_endpoint(persona.endpoint(service))) as server, Transport(url(lab)) as transport:
        lab.forward("j179-1", 1, Upstream(server.url))
        outcome = Client(transport).enrol(csr, KEY, identifier="CAIdentifier")
    assert isinstance(outcome, Issued)
    assert outcome.certificate.signed_by(authority.certificate)
    [line] = lab.ledger.lines("j179-1", 1)
    told = line.entry
    assert (told.transaction_id, told.message_type, told.answer) == (outcome.transaction_id, "PKCSReq", "SUCCESS")
    assert (told.subject, told.serial, told.issued_der, told.problem) == (None,) * 4
    last = lab.events.wait_for(lambda event: event.details.get("pki_status") == "SUCCESS", span=300)
    assert last is not None
    assert (last.details["sent"], last.device, last.slot) == (True, "j179-1", 1)
    assert not events(lab, EventName.FAULT)
    assert PASSWORD not in str([event.to_json() for event in lab.events.since()])


def test_everything_that_passes_is_on_disk_for_its_owner_alone(
    lab: Lab, state: Path, authority: Authority, upstream: Server
) -> None:
    lab.forward("j179-1", 1, Upstream(upstream.url))
    assert isinstance(enrol(lab), Issued)
    caps, cert, last = exchanges(state)
    folder = state / "proxy" / "j179-1-1"
    assert [one["files"] for one in (caps, cert, last)] == [
        {"request": None, "reply": "0001-reply.txt", "answer": None},
        {"request": None, "reply": "0002-reply.der", "answer": None},
        {"request": "0003-request.der", "reply": "0003-reply.der", "answer": None},
    ]
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    request = read_message((folder / "0003-request.der").read_bytes(), keys=(authority.key,))
    assert request.csr is not None, "the envelope can be read later, by who has the key"
    assert read_message((folder / "0003-reply.der").read_bytes(), keys=(KEY,)).issued
    assert (last["method"], last["target"]) == ("POST", scep_path("j179-1", 1) + QUERY)
    assert (last["user_agent"], last["content_type"]) == ("AVAYA/J179-4.0.13.0.6", "application/x-pki-message")
    assert (last["upstream"]["status"], last["pki_status"], last["transaction_id"]) == (200, "SUCCESS", request.transaction_id)
    assert 0 < last["upstream"]["head_after"] <= last["upstream"]["took"]


def test_a_new_script_goes_on_where_the_recording_was(lab: Lab, state: Path, upstream: Server) -> None:
    for _ in range(2):
        lab.forward("j179-1", 1, Upstream(upstream.url))
        httpx.get(f"{url(lab)}?operation=GetCACaps")
    assert [one["number"] for one in exchanges(state)] == [1, 2]
    assert (state / "proxy" / "j179-1-1" / "0002-reply.txt").exists()


@pytest.mark.parametrize(
    "query",
    [
        "?operation=PKIOperation&message=MII%2BAA%3d%3D",
        "?operation=PKIOperation&message=MII+A/A==",
        "?operation=PKIOperation&message=MII%0D%0A%zz~'\"",
        "?OPERATION=GetCACert&MESSAGE=0&",
        "",
    ],
)
def test_a_query_arrives_octet_for_octet(lab: Lab, query: str) -> None:
    with Server(lambda _: response(b"")) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        ask(lab, f"GET {scep_path('j179-1', 1)}{query} HTTP/1.1\r\nHost: lab\r\nUser-Agent: caf\xe9\r\n\r\n".encode("latin-1"))
    [asked] = server.asked
    assert asked.split(b"\r\n")[0] == f"GET /real/pkiclient.exe{query} HTTP/1.1".encode()
    assert b"\r\nUser-Agent: caf\xe9\r\n" in asked
    assert b"Accept" not in asked


def ask(lab: Lab, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", lab.http_port), timeout=20) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65_536), b""))


def test_a_url_with_a_query_of_its_own_keeps_it(lab: Lab) -> None:
    with Server(lambda _: response(b"")) as server:
        lab.forward("j179-1", 1, Upstream(f"{server.url}?profile=phones"))
        httpx.get(f"{url(lab)}?operation=GetCACaps")
    assert server.asked[0].startswith(b"GET /real/pkiclient.exe?profile=phones&operation=GetCACaps HTTP/1.1\r\n")


def test_a_body_arrives_octet_for_octet(lab: Lab) -> None:
    body = bytes(range(256))
    with Server(lambda _: response(b"")) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        httpx.post(url(lab) + QUERY, content=body, headers={"Content-Type": "application/octet-stream; v=1"})
    [asked] = server.asked
    assert asked.partition(b"\r\n\r\n")[2] == body
    assert b"\r\nContent-Type: application/octet-stream; v=1\r\n" in asked


@pytest.mark.parametrize("script", [Issue(), Drip(65_536)], ids=["by the HTTP library", "past it"])
def test_an_answer_is_passed_on_as_it_came(lab: Lab, authority: Authority, script: Answer) -> None:
    extra = "Server: a CA\r\nX-One: 1\r\nX-One: 2\r\nX-Hop: 3\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\n"
    with Server(lambda _: response(b"\x00<html>", "text/html; charset=latin-1", "418 I'm a teapot", extra)) as server:
        lab.forward("j179-1", 1, Upstream(server.url), answers=[script])
        answer = httpx.post(url(lab) + QUERY, content=a_request(authority))
    assert (answer.status_code, answer.content) == (418, b"\x00<html>")
    assert answer.headers["Content-Type"] == "text/html; charset=latin-1"
    assert answer.headers.get_list("X-One") == ["1", "2"]
    assert answer.headers.get_list("Server") == ["a CA"]
    assert answer.headers["Connection"] == "close"
    assert not {"Keep-Alive", "X-Hop"} & set(answer.headers)


def test_a_redirect_is_passed_on_and_not_followed(lab: Lab) -> None:
    with Server(lambda _: response(b"", status="302 Found", extra="Location: /elsewhere\r\n")) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        answer = httpx.get(f"{url(lab)}?operation=GetCACaps")
    assert (answer.status_code, answer.headers["Location"], len(server.asked)) == (302, "/elsewhere", 1)


def test_what_is_neither_get_nor_post_is_not_passed_on(lab: Lab, upstream: Server) -> None:
    lab.forward("j179-1", 1, Upstream(upstream.url))
    assert httpx.delete(url(lab) + QUERY).status_code == 405
    assert upstream.asked == []


HELD: list[bytes] = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]


@pytest.mark.parametrize("sent", HELD, ids=["no octet", "half a head", "half a body"])
@pytest.mark.parametrize("operation", ["GetCACaps", "PKIOperation"])
def test_a_ca_that_is_too_slow_is_the_benchs_fault(lab: Lab, authority: Authority, sent: bytes, operation: str) -> None:
    with Server(lambda _: sent, holds=True) as server:
        lab.forward("j179-1", 1, Upstream(server.url, patience=0.3))
        answer = httpx.post(f"{url(lab)}?operation={operation}", content=a_request(authority))
    assert (answer.status_code, answer.text) == (504, "the CA is too slow\n")
    assert_fault(lab, "the CA is too slow")


BROKEN = {
    "nothing": b"",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "30 MB": response(bytes(30_000_000)),
    "30 MB in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1c9c380\r\n" + bytes(30_000_000),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=list(BROKEN))
def test_a_ca_that_breaks_off_is_the_benchs_fault(lab: Lab, authority: Authority, sent: bytes) -> None:
    with Server(lambda _: sent) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        answer = httpx.post(url(lab) + QUERY, content=a_request(authority))
    assert (answer.status_code, answer.text) == (502, "the CA cannot be asked\n")
    assert_fault(lab, "the CA cannot be asked")


def assert_fault(lab: Lab, text: str) -> None:
    [fault] = events(lab, EventName.FAULT)
    assert (fault.device, fault.slot) == ("j179-1", 1)
    assert text in str(fault.details["text"])
    lines = lab.ledger.lines()
    assert all(text in str(line.entry.problem) and line.entry.answer is None for line in lines)


def test_a_ca_that_is_not_there_is_the_benchs_fault_until_it_is(
    lab: Lab, authority: Authority, ca: CaService, own_port: int
) -> None:
    lab.forward("j179-1", 1, Upstream(f"http://127.0.0.1:{own_port}/scep"))
    request = a_request(authority)
    assert httpx.post(url(lab) + QUERY, content=request).status_code == 502
    assert_fault(lab, "the CA cannot be asked")
    with Server(by_endpoint(Endpoint(ca)), port=own_port):
        assert httpx.post(url(lab) + QUERY, content=request).status_code == 200, "what was not answered is asked again"
    assert [line.entry.answer for line in lab.ledger.lines()] == [None, "SUCCESS"]


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (response(b"x509: malformed certificate\n", status="500 Internal Server Error"), "HTTP 500: x509: malformed certificate"),
        (response(b"<html>Please log in</html>", "text/html"), "no pkiMessage"),
        (response(cms.degenerate(()), "application/x-pki-message"), "no pkiMessage"),
    ],
    ids=["an error of a Go server", "a page", "no signature"],
)
def test_nonsense_of_the_ca_is_passed_on_and_told(lab: Lab, authority: Authority, sent: bytes, problem: str) -> None:
    with Server(lambda _: sent) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        answer = httpx.post(url(lab) + QUERY, content=a_request(authority))
    assert answer.content == sent.partition(b"\r\n\r\n")[2]
    [line] = lab.ledger.lines()
    assert (line.entry.answer, line.entry.message_type, line.entry.transaction_id) == (None, "PKCSReq", "T1")
    assert problem in str(line.entry.problem)
    assert not events(lab, EventName.FAULT), "who is to blame, the exchange itself must show"


def test_a_reply_to_another_request_is_passed_on_and_told(lab: Lab, authority: Authority) -> None:
    key, certificate = authority.speaker
    other = build_cert_rep(PkiStatus.PENDING, transaction_id="T2", recipient_nonce=new_nonce(), signer=certificate, key=key)
    with Server(lambda _: response(other, "application/x-pki-message")) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        assert httpx.post(url(lab) + QUERY, content=a_request(authority)).content == other
    [line] = lab.ledger.lines()
    assert line.entry.answer == "PENDING"
    assert "another transactionID or recipientNonce" in str(line.entry.problem)


def without_certificates(cert_rep: bytes, authority: Authority) -> bytes:
    info = cms.read_signed_data(read(cert_rep)).signers[0]
    assert info.attributes is not None
    own = (cms.CONTENT_TYPE, cms.MESSAGE_DIGEST)
    kept = [each.raw for each in info.attributes.children if each.children[0].oid() not in own]
    key, certificate = authority.speaker
    return cms.write_signed_data(None, kept, signer=certificate, key=key, digest="sha256", certificates=())


def test_a_reply_without_its_signers_certificate_is_checked_with_what_the_ca_showed(lab: Lab, authority: Authority) -> None:
    def answer(request: bytes) -> bytes:
        if b"GetCACert" in request:
            return response(authority.certificate.der, "application/x-x509-ca-cert")
        asked = read_message(request.partition(b"\r\n\r\n")[2])
        reply = build_cert_rep(
            PkiStatus.PENDING,
            transaction_id=asked.transaction_id or "",
            recipient_nonce=asked.sender_nonce or b"",
            signer=authority.certificate,
            key=authority.key,
        )
        return response(without_certificates(reply, authority), "application/x-pki-message")

    with Server(answer) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        httpx.post(url(lab) + QUERY, content=a_request(authority))
        httpx.get(f"{url(lab)}?operation=GetCACert")
        httpx.post(url(lab) + QUERY, content=a_request(authority))
    before, after = (line.entry for line in lab.ledger.lines())
    assert "no certificate for the signer" in str(before.problem)
    assert (after.answer, after.problem) == ("PENDING", None)


def test_the_same_octets_get_the_same_answer_without_asking_twice(lab: Lab, authority: Authority, upstream: Server) -> None:
    lab.forward("j179-1", 1, Upstream(upstream.url))
    request = a_request(authority)
    by_post = httpx.post(url(lab) + QUERY, content=request)
    by_get = httpx.get(httpx.URL(f"{url(lab)}{QUERY}&message={quote(base64.b64encode(request).decode())}"))
    assert by_post.content == by_get.content
    assert len(upstream.asked) == 1
    assert [line.entry.answer for line in lab.ledger.lines()] == ["SUCCESS", None]
    assert "octets again" in str(lab.ledger.lines()[1].entry.problem)


def test_a_get_tells_what_its_base64_needed_allowance_for(lab: Lab, authority: Authority, upstream: Server) -> None:
    lab.forward("j179-1", 1, Upstream(upstream.url))
    text = base64.b64encode(a_request(authority)).decode().replace("+", "-").replace("/", "_")
    assert httpx.get(f"{url(lab)}{QUERY}&message={text}").status_code == 200
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=300)
    assert event is not None
    assert event.details["notes"] == "the base64 is in its URL alphabet"
    assert text.encode() in upstream.asked[0]


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x02\x01\x01", b"no DER"])
def test_what_is_no_pki_message_is_left_to_the_ca(lab: Lab, authority: Authority, upstream: Server, octets: bytes) -> None:
    lab.forward("j179-1", 1, Upstream(upstream.url), answers=[HttpError(503), Issue()])
    assert httpx.post(url(lab) + QUERY, content=octets).status_code == 400
    assert httpx.post(url(lab) + QUERY, content=a_request(authority)).status_code == 503, "no entry of the script was used up"
    first, second = (line.entry for line in lab.ledger.lines())
    assert (first.message_type, first.transaction_id, first.scripted) == (None, None, None)
    assert "HTTP 400: no pkiMessage" in str(first.problem)
    assert second.scripted == "HttpError(status=503)"


def test_phones_at_once_do_not_mix(lab: Lab, authority: Authority) -> None:
    """No CA answers a PKIOperation before all of them were asked, so none waits for another's."""
    devices = [f"j179-{number}" for number in range(1, 7)]
    all_asked = threading.Barrier(len(devices))
    outcomes: dict[str, object] = {}

    def together(answer: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        def wait(request: bytes) -> bytes:
            if request.startswith(b"POST"):
                all_asked.wait(60)
            return answer(request)

        return wait

    def run(device: str) -> None:
        csr = build_csr(KEY, (("O", "Lab"), ("CN", device)), challenge_password=None)
        service = CaService(authority, signers.issue(authority), clock=ScaledClock())
        with Server(together(by_endpoint(Endpoint(service)))) as server, Transport(url(lab, device)) as transport:
            lab.forward(device, 1, Upstream(server.url))
            outcomes[device] = Client(transport).enrol(csr, KEY)

    threads = [threading.Thread(target=run, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for device in devices:
        outcome = outcomes[device]
        assert isinstance(outcome, Issued)
        assert outcome.certificate.subject == f"CN={device},O=Lab"
        [line] = lab.ledger.lines(device)
        assert line.entry.transaction_id == outcome.transaction_id


def test_a_lab_stops_while_the_ca_holds_its_answer_back(authority: Authority, tmp_path: Path) -> None:
    with Server(lambda _: b"", holds=True) as server:
        lab = Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "held")
        lab.start()
        lab.forward("j179-1", 1, Upstream(server.url))
        with socket.create_connection(("127.0.0.1", lab.http_port), timeout=20) as sock:
            sock.sendall(f"GET {scep_path('j179-1', 1)} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
            assert server.arrived.wait(60)
            lab.stop()
            assert sock.recv(1) == b""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ca.example.com/scep",
        "ftp://ca.example.com/",
        "https://",
        "http://me:secret@ca.example.com/",
        "http://[::1/",
        "http://a/#b",
    ],
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Misuse, match=r"upstream: .*; for example https://") as refusal:
        Upstream(url)
    assert "secret" not in str(refusal.value)
