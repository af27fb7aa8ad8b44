"""Scripted answers as a client's socket sees them: octets, their length, how the connection ends, and what the events tell."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from proxied import ProxyLab

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName, scep_path
from hil.scenario import (
    Answer,
    Drip,
    Forge,
    Garbage,
    HttpError,
    Issue,
    Pend,
    Redirect,
    Reject,
    Reset,
    Silence,
    Truncate,
    WrongLength,
)
from hil.scep.authority import self_signed
from hil.scep.build import build_request, new_nonce
from hil.scep.ca import Authority
from hil.scep.client import Client, Issued, ReplyRefused
from hil.scep.csr import build_csr, read_csr
from hil.scep.http import Transport, TransportFault
from hil.scep.messages import MessageType, PkiMessage, PkiStatus, read_message
from hil.secret import Secret
from hil.services.events import Event, EventStream
from hil.services.files import FileShelf
from hil.services.http import HttpServer, Routes
from hil.services.lab import Lab
from hil.services.roster import Roster
from hil.services.web import Call, Reply, Served

KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = "only-for-this-test"
TARGET = f"{scep_path('j179-1', 1)}?operation=PKIOperation"


class Seen(NamedTuple):
    """What a socket read until its end."""

    octets: bytes
    end: Literal["closed", "reset"]

    @property
    def head(self) -> list[bytes]:
        return self.octets.partition(b"\r\n\r\n")[0].split(b"\r\n")

    @property
    def body(self) -> bytes:
        return self.octets.partition(b"\r\n\r\n")[2]

    @property
    def promised(self) -> int:
        [line] = [line for line in self.head if line.startswith(b"Content-Length: ")]
        return int(line.partition(b": ")[2])

    def message(self) -> PkiMessage:
        return read_message(self.body, keys=(KEY,))


@pytest.fixture(scope="module")
def csr() -> bytes:
    return build_csr(KEY, (("O", "Lab"), ("CN", "19WZ1234567A")), challenge_password=Secret(PASSWORD))


@pytest.fixture(params=[Lab, ProxyLab], ids=["bench CA", "before a CA"])
def kind_of_lab(request: pytest.FixtureRequest) -> type[Lab]:
    """What is on the wire is the same whether a script is the bench's CA or stands before another."""
    kind: type[Lab] = request.param
    return kind


@pytest.fixture
def lab(kind_of_lab: type[Lab], authority: Authority, tmp_path: Path) -> Iterator[Lab]:
    with kind_of_lab(clock=ScaledClock(rate=30.0), authority=authority, state=tmp_path / "lab") as lab:
        yield lab


@pytest.fixture
def post(authority: Authority, csr: bytes) -> bytes:
    return _post(authority, csr)


def _post(authority: Authority, csr: bytes) -> bytes:
    """A request of its own each time, as from a client that tries anew."""
    body = _pki_message(authority, csr)
    return f"POST {TARGET} HTTP/1.1\r\nHost: lab\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _pki_message(authority: Authority, csr: bytes) -> bytes:
    return build_request(
        MessageType.PKCSReq,
        csr,
        signer=self_signed(read_csr(csr).subject_der, KEY, authority.certificate.not_before),
        key=KEY,
        recipient=authority.certificate,
        transaction_id="T1",
        sender_nonce=new_nonce(),
    )


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        yield sock


def ask(lab: Lab, request: bytes) -> Seen:
    """Everything that `request` is answered, and whether a FIN or an RST ends it."""
    with connection(lab.http_port) as sock:
        sock.sendall(request)
        return read_to_end(sock)


def read_to_end(sock: socket.socket) -> Seen:
    octets = bytearray()
    while True:
        try:
            part = sock.recv(65_536)
        except ConnectionResetError:
            return Seen(bytes(octets), "reset")
        if not part:
            return Seen(bytes(octets), "closed")
        octets += part


def told(lab: Lab, span: float = 300.0) -> Event:
    """The event of the answer, awaited for `span` phone seconds."""
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=span)
    assert event is not None
    assert PASSWORD not in str(event.to_json())
    return event


@pytest.fixture
def play(lab: Lab, post: bytes) -> Callable[[Answer], tuple[Seen, Event]]:
    """Script one answer, ask for a certificate, and give what was seen and told."""

    def run(answer: Answer) -> tuple[Seen, Event]:
        lab.script("j179-1", 1, answers=[answer])
        return ask(lab, post), told(lab)

    return run


Play = Callable[[Answer], tuple[Seen, Event]]


def test_an_answer_without_a_fault_is_whole_and_its_event_names_no_script(play: Play) -> None:
    seen, event = play(Issue())
    assert (seen.end, len(seen.body)) == ("closed", seen.promised)
    assert seen.message().status is PkiStatus.SUCCESS
    assert (event.details["sent"], event.details["scripted"]) == (True, None)


def test_a_scripted_answer_has_the_header_fields_of_any_other(lab: Lab, authority: Authority, csr: bytes) -> None:
    lab.script("j179-1", 1, answers=[Issue(), Drip(65_536)])
    plain, scripted = (ask(lab, _post(authority, csr)) for _ in range(2))
    names = [[line.partition(b":")[0] for line in seen.head] for seen in (plain, scripted)]
    assert sorted(names[0]) == sorted(names[1])


def test_a_reset_before_the_answer_shows_nothing_of_it(lab: Lab, play: Play) -> None:
    seen, event = play(Reset("before"))
    assert seen == Seen(b"", "reset")
    wanted = {"octets": 0, "status": None, "sent": False, "scripted": "Reset()", "pki_status": "SUCCESS"}
    assert {key: event.details[key] for key in wanted} == wanted
    assert [line.entry.answer for line in lab.ledger.lines()] == ["SUCCESS"], "the CA issued, and the client does not know"


def test_a_reset_during_the_answer_shows_half_of_its_body(play: Play) -> None:
    seen, event = play(Reset("during"))
    assert seen.end == "reset"
    assert len(seen.body) == seen.promised // 2
    assert (event.details["octets"], event.details["sent"]) == (len(seen.octets), False)
    assert event.details["scripted"] == "Reset(when='during')"


def test_a_reset_after_the_answer_shows_all_of_it(play: Play) -> None:
    seen, event = play(Reset("after"))
    assert (seen.end, len(seen.body)) == ("reset", seen.promised)
    assert seen.message().status is PkiStatus.SUCCESS
    assert (event.details["octets"], event.details["sent"]) == (len(seen.octets), True)


def test_a_reset_waits_until_all_that_was_sent_has_arrived(lab: Lab, post: bytes) -> None:
    """The client's kernel has room for a part alone; a reset would take back what waits in the server's."""
    lab.script("j179-1", 1, answers=[Reset("after", of=Garbage(30_000))])
    with socket.socket() as sock:
        sock.settimeout(20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", lab.http_port))
        sock.sendall(post)
        assert lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=6) is None
        seen = read_to_end(sock)
    assert (seen.end, len(seen.body)) == ("reset", 30_000)
    assert told(lab).details["sent"] is True


@pytest.mark.parametrize("octets", [None, 0, 7])
def test_a_truncated_body_ends_before_its_length(play: Play, octets: int | None) -> None:
    seen, event = play(Truncate(octets))
    assert seen.end == "closed"
    assert len(seen.body) == (seen.promised // 2 if octets is None else octets)
    assert seen.promised > 1000
    assert (event.details["octets"], event.details["sent"]) == (len(seen.octets), False)


@pytest.mark.parametrize(("by", "promises"), [(10, 10), (-10, -10), (-1_000_000, None)])
def test_a_wrong_content_length_promises_more_or_less_than_the_body(play: Play, by: int, promises: int | None) -> None:
    seen, event = play(WrongLength(by))
    assert seen.end == "closed"
    assert seen.message().status is PkiStatus.SUCCESS
    assert seen.promised == (0 if promises is None else len(seen.body) + promises)
    assert event.details["sent"] is False


@pytest.mark.parametrize(
    ("status", "phrase"), [(400, "Bad Request"), (404, "Not Found"), (503, "Service Unavailable"), (599, "Unknown")]
)
def test_an_http_error_has_its_text_and_issues_nothing(lab: Lab, play: Play, status: int, phrase: str) -> None:
    seen, event = play(HttpError(status, "the CA is closed"))
    date = rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    lines = (
        rb"HTTP/1\.1 %d %s" % (status, phrase.encode()),
        b"Content-Type: text/plain",
        b"Content-Length: 17",
        b"Server: j100-hil",
    )
    assert re.fullmatch(b"\r\n".join((*lines, date, b"Connection: close", b"", b"the CA is closed\n")), seen.octets)
    assert (event.details["status"], event.details["sent"], event.details["pki_status"]) == (status, True, None)
    assert [(line.entry.answer, line.entry.serial) for line in lab.ledger.lines()] == [(None, None)]
    assert lab.ledger.lines()[0].to_json()["scripted"] == f"HttpError(status={status}, text='the CA is closed')"


def test_a_get_is_answered_by_the_script_too(lab: Lab, authority: Authority, csr: bytes) -> None:
    lab.script("j179-1", 1, answers=[HttpError(502, "bad gateway")])
    text = quote(base64.b64encode(_pki_message(authority, csr)).decode(), safe="")
    seen = ask(lab, f"GET {TARGET}&message={text} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
    assert (seen.head[0], seen.body) == (b"HTTP/1.1 502 Bad Gateway", b"bad gateway\n")


def test_a_redirect_without_a_location_asks_to_come_again(lab: Lab, post: bytes) -> None:
    """Who follows by 307 sends the same octets, and meets the next answer all the same: the CA has not answered them."""
    lab.script("j179-1", 1, answers=[Redirect(), Redirect("http://192.0.2.9/scep", status=307), Issue()])
    first, second, third = (ask(lab, post) for _ in range(3))
    assert first.head[0] == b"HTTP/1.1 302 Found"
    assert f"Location: {TARGET}".encode() in first.head
    assert second.head[0] == b"HTTP/1.1 307 Temporary Redirect"
    assert b"Location: http://192.0.2.9/scep" in second.head
    assert third.message().status is PkiStatus.SUCCESS


def test_100_mb_of_garbage_are_streamed_in_little_memory(lab: Lab, post: bytes) -> None:
    lab.script("j179-1", 1, answers=[Garbage()])
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
    buffer, count, first = bytearray(1 << 20), 0, b""
    with connection(lab.http_port) as sock:
        sock.sendall(post)
        while got := sock.recv_into(buffer):
            first = first or bytes(buffer[:64])
            count += got
    assert first.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\n")
    event = told(lab)
    assert 100_000_000 < count == event.details["octets"] < 100_000_400
    assert (event.details["size"], event.details["sent"]) == (100_000_000, True)
    assert _memory("VmHWM") - before < 16_000_000


def _memory(name: str) -> int:
    [kilobytes] = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def test_a_client_that_leaves_in_the_midst_ends_its_garbage(lab: Lab, post: bytes) -> None:
    lab.script("j179-1", 1, answers=[Garbage()])
    with connection(lab.http_port) as sock:
        sock.sendall(post)
        sock.recv(100)
    event = told(lab)
    assert (event.details["client_left"], event.details["sent"]) == (True, False)
    assert not [event for event in lab.events.since() if event.name is EventName.FAULT]


@pytest.fixture
def fast(kind_of_lab: type[Lab], authority: Authority, tmp_path: Path) -> Iterator[Lab]:
    """A lab in which an hour of phone time passes in a third of a second."""
    with kind_of_lab(clock=ScaledClock(rate=10_000.0), authority=authority, state=tmp_path / "fast") as lab:
        yield lab


def test_a_slow_drip_takes_phone_time_and_arrives_whole(fast: Lab, post: bytes) -> None:
    fast.script("j179-1", 1, answers=[Drip(octets=256, every=100.0)])
    with connection(fast.http_port) as sock:
        sock.sendall(post)
        seen = Seen(b"".join(iter(lambda: sock.recv(65_536), b"")), "closed")
    assert len(seen.body) == seen.promised
    assert seen.message().status is PkiStatus.SUCCESS
    event = told(fast, span=100_000.0)
    pauses = -(-seen.promised // 256)
    assert pauses > 5
    assert span_of(fast) >= pauses * 100.0 * 0.99
    assert (event.details["sent"], event.details["scripted"]) == (True, "Drip(octets=256, every=100.0)")


def test_the_head_of_a_slow_drip_comes_first_by_itself(lab: Lab, post: bytes) -> None:
    lab.script("j179-1", 1, answers=[Drip(octets=256, every=86_400.0)])
    with connection(lab.http_port) as sock:
        sock.sendall(post)
        first = sock.recv(65_536)
    assert first.endswith(b"\r\n\r\n")
    assert len(first) < 256


def test_silence_ends_after_its_span_of_phone_time(fast: Lab, post: bytes) -> None:
    fast.script("j179-1", 1, answers=[Silence(span=1000.0)])
    assert ask(fast, post) == Seen(b"", "closed")
    event = told(fast, span=100_000.0)
    assert span_of(fast) >= 990.0
    assert (event.details["octets"], event.details["client_left"], event.details["sent"]) == (0, False, False)


def span_of(lab: Lab) -> float:
    """Phone seconds from the request to its answer's end."""
    request, answer = (event.at for event in lab.events.since() if event.name in (EventName.SCEP_REQUEST, EventName.SCEP_ANSWER))
    return (answer - request).total_seconds()


def test_silence_ends_when_the_client_leaves(lab: Lab, post: bytes) -> None:
    lab.script("j179-1", 1, answers=[Silence(span=86_400.0)])
    with connection(lab.http_port) as sock:
        sock.sendall(post)
    event = told(lab)
    assert (event.details["octets"], event.details["client_left"]) == (0, True)


def test_a_lab_stops_while_an_answer_is_held_back(
    authority: Authority, tmp_path: Path, post: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.services.http._SHUTDOWN", 60.0)  # longer than a lab may take to stop
    lab = Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "held")
    lab.start()
    lab.script("j179-1", 1, answers=[Drip(1, every=3600.0)])
    with connection(lab.http_port) as held:
        held.sendall(post)
        assert held.recv(65_536) == b"H"
        lab.stop()
    event = told(lab)
    assert (event.details["octets"], event.details["sent"]) == (1, False)


def test_a_client_that_takes_nothing_is_given_up() -> None:
    events = EventStream(ScaledClock())

    class Noisy:
        async def answer(self, call: Call) -> Served:
            return Served(Reply(200, "text/plain", b""), EventName.SCEP_ANSWER, call.path, script=Garbage())

    async def run() -> None:
        server = HttpServer(Routes(scep=Noisy(), files=FileShelf(Roster())), events, patience=0.05)
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            await server.start([listener])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, listener.getsockname())
            await loop.sock_sendall(client, b"GET /scep/ HTTP/1.1\r\nHost: lab\r\n\r\n")
            await loop.run_in_executor(None, lambda: events.wait_for(lambda _: True, span=20))
            await server.stop()

    asyncio.run(run())
    [event] = events.since()
    assert (event.details["sent"], event.details["client_left"]) == (False, False)
    assert int(str(event.details["octets"])) < 50_000_000


def test_faults_compose(lab: Lab, play: Play) -> None:
    seen, event = play(Drip(100, every=0, of=Truncate(900, of=Forge("transactionID", of=Reject("badTime")))))
    assert (seen.end, len(seen.body)) == ("closed", 900)
    assert (event.details["pki_status"], event.details["fail_info"], event.details["sent"]) == ("FAILURE", "badTime", False)
    assert event.details["scripted"] == (
        "Drip(octets=100, every=0, of=Truncate(octets=900, of=Forge(lie='transactionID', of=Reject(fail_info='badTime'))))"
    )


def test_the_nth_request_has_the_nth_answer_and_the_last_repeats(lab: Lab, authority: Authority, csr: bytes) -> None:
    lab.script("j179-1", 1, answers=[Reset("before"), HttpError(503), Truncate(5), Reject(), Issue()])
    ends = [ask(lab, _post(authority, csr)) for _ in range(6)]
    assert [seen.end for seen in ends] == ["reset", *["closed"] * 5]
    assert [len(seen.body) for seen in ends[:3]] == [0, 22, 5]
    assert [seen.message().status for seen in ends[3:]] == [PkiStatus.FAILURE, PkiStatus.SUCCESS, PkiStatus.SUCCESS]


@pytest.mark.parametrize("fail_info", ["badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"])
def test_each_fail_info_is_on_the_wire(play: Play, fail_info: Literal["badAlg"]) -> None:
    reply = play(Reject(fail_info))[0].message()
    assert reply.fail_info is not None
    assert (reply.status, reply.fail_info.name) == (PkiStatus.FAILURE, fail_info)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (Forge("recipientNonce"), "recipientNonce"),
        (Forge("transactionID", of=Pend()), "transactionID"),
        (Forge("signer", of=Reject()), "signed by none"),
        (Forge("signature"), "signature is not valid"),
        (Forge("certificate"), "without a certificate for the key"),
        (Truncate(3), "no answer"),
    ],
    ids=lambda value: value.lie if isinstance(value, Forge) else None,
)
def test_a_client_refuses_a_forged_reply_and_takes_the_next(lab: Lab, csr: bytes, answer: Answer, refused: str) -> None:
    if isinstance(lab, ProxyLab) and answer == Forge("certificate"):
        with pytest.raises(Misuse, match="forged with the key that issues"):
            lab.script("j179-1", 1, answers=[answer])
        return
    lab.script("j179-1", 1, answers=[answer, Issue()])
    with Transport(f"http://127.0.0.1:{lab.http_port}{scep_path('j179-1', 1)}") as transport:
        with pytest.raises(ReplyRefused if isinstance(answer, Forge) else TransportFault, match=refused):
            Client(transport).enrol(csr, KEY)
        assert isinstance(Client(transport).enrol(csr, KEY), Issued)
    assert [line.entry.scripted for line in lab.ledger.lines()] == [repr(answer), None]
