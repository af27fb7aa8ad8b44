from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.evidence import EventName
from hil.scep.ca import Authority, CaService
from hil.scep.endpoint import NO_FIELDS, Endpoint, HttpReply
from hil.scep.signers import issue
from hil.services.events import Event, EventStream
from hil.services.files import FileShelf
from hil.services.http import HttpServer, Routes
from hil.services.lab import Lab
from hil.services.roster import Roster

AGENT = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)"


def exchange(port: int, request: bytes, *, source: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """Head and body of the answer, read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as sock:
        sock.sendall(request)
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: lab\r\nUser-Agent: {AGENT}\r\n\r\n".encode()


def seen(lab: Lab, name: EventName) -> Event:
    event = lab.events.wait_for(lambda event: event.name is name, span=300)
    assert event is not None, f"no event {name.value}"
    return event


def test_a_file_is_served_with_its_length_and_the_connection_is_closed(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"J100Supgrade.txt": b"GET 46xxsettings.txt\r\n"})
    head, body = exchange(lab.http_port, get("/J100Supgrade.txt"))
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Length: 22" in lines
    assert b"Connection: close" in lines
    assert body == b"GET 46xxsettings.txt\r\n"


def test_a_served_file_is_an_event_with_who_what_and_how_much(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
    exchange(lab.http_port, get("/46xxsettings.txt"))
    event = seen(lab, EventName.FILE_SERVED)
    assert event.device == "j179-1"
    client = str(event.details["client"])
    assert client.startswith("127.0.0.1:")
    assert client != "127.0.0.1:0"
    wanted = {"path": "/46xxsettings.txt", "method": "GET", "status": 200, "size": 8, "user_agent": AGENT, "sent": True}
    assert {key: event.details[key] for key in wanted} == wanted


def test_head_tells_the_length_and_sends_no_body(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
    head, body = exchange(lab.http_port, get("/46xxsettings.txt", "HEAD"))
    assert b"Content-Length: 8" in head.split(b"\r\n")
    assert body == b""


def test_a_file_that_is_not_there_is_missing_for_its_device(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b""})
    head, _ = exchange(lab.http_port, get("/c8%3A1f%3Aea.txt"))
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close" in head
    event = seen(lab, EventName.FILE_MISSING)
    assert (event.device, event.details["path"]) == ("j179-1", "/c8:1f:ea.txt")


def test_devices_that_share_a_directory_each_get_their_own_file(lab: Lab) -> None:
    for number in (1, 2):
        lab.place(f"j179-{number}", f"127.0.0.{number}")
        lab.publish(f"j179-{number}", "/", {"46xxsettings.txt": b"SET N %d" % number})
    for number in (1, 2):
        _, body = exchange(lab.http_port, get("/46xxsettings.txt"), source=f"127.0.0.{number}")
        assert body == b"SET N %d" % number


def test_another_devices_file_is_not_given_out_and_blamed_on_nobody(lab: Lab) -> None:
    lab.place("j179-1", "127.0.0.1")
    lab.place("j179-2", "127.0.0.2")
    lab.publish("j179-1", "/", {"46xxsettings.txt": b""})
    lab.publish("j179-2", "/", {"c81fea000002.txt": b"SET SECRET"})
    head, _ = exchange(lab.http_port, get("/c81fea000002.txt"), source="127.0.0.1")
    assert head.startswith(b"HTTP/1.1 404 ")
    event = seen(lab, EventName.STRAY)
    assert (event.device, event.details["reason"]) == (None, "another's file")


def test_a_client_nobody_knows_is_a_stray(lab: Lab) -> None:
    lab.place("j179-1", "127.0.0.1")
    lab.publish("j179-1", "/", {"46xxsettings.txt": b""})
    exchange(lab.http_port, get("/whatever.txt"), source="127.0.0.77")
    assert seen(lab, EventName.STRAY).device is None


def test_the_reference_has_a_directory_of_its_own(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"phone"})
    lab.publish("j179-1.reference", "/reference/j179-1/", {"46xxsettings.txt": b"reference"})
    _, body = exchange(lab.http_port, get("/reference/j179-1/46xxsettings.txt"))
    assert body == b"reference"
    assert seen(lab, EventName.FILE_SERVED).device == "j179-1.reference"
    exchange(lab.http_port, get("/reference/j179-1/c81fea000001.txt"))
    assert seen(lab, EventName.FILE_MISSING).device == "j179-1.reference"


def test_publishing_again_replaces_the_whole_set(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"old.txt": b""})
    lab.publish("j179-1", "/", {"new.txt": b""})
    assert exchange(lab.http_port, get("/old.txt"))[0].startswith(b"HTTP/1.1 404 ")
    assert exchange(lab.http_port, get("/new.txt"))[0].startswith(b"HTTP/1.1 200 ")


def test_a_root_that_is_no_directory_is_refused(lab: Lab) -> None:
    with pytest.raises(Misuse, match="slash"):
        lab.publish("j179-1", "/reference", {})


def test_writing_to_a_file_is_not_offered(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b""})
    assert httpx.put(f"http://127.0.0.1:{lab.http_port}/46xxsettings.txt", content=b"x").status_code == 405


def test_what_is_no_http_is_a_stray_and_not_silence(lab: Lab) -> None:
    head, _ = exchange(lab.http_port, b"\x15\x03\x01 hello\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert seen(lab, EventName.STRAY).details["reason"] == "not HTTP"


@pytest.mark.parametrize("beside", [b"", b"Content-Length: 0\r\n"], ids=["quick", "by the library"])
@pytest.mark.parametrize("target", [b"//[", b"//46xxsettings.txt", b"//lab/46xxsettings.txt"])
def test_a_path_that_begins_with_two_slashes_names_no_server(lab: Lab, target: bytes, beside: bytes) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"", "J100Supgrade.txt": b""})
    head, _ = exchange(lab.http_port, b"GET " + target + b" HTTP/1.1\r\nHost: lab\r\n" + beside + b"\r\n")
    assert head.startswith(b"HTTP/1.1 404")
    assert seen(lab, EventName.FILE_MISSING).details["path"] == target.decode()
    assert not [event for event in lab.events.since() if event.name is EventName.FAULT]


@pytest.mark.parametrize("beside", [b"", b"Content-Length: 0\r\n"], ids=["quick", "by the library"])
def test_where_the_bench_cannot_answer_the_client_is_told_and_the_fault_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, beside: bytes
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the shelf fell down")

    monkeypatch.setattr(FileShelf, "find", fails)
    head, _ = exchange(lab.http_port, b"GET /46xxsettings.txt HTTP/1.1\r\nHost: lab\r\n" + beside + b"\r\n")
    assert head.startswith(b"HTTP/1.1 500")
    assert "the shelf fell down" in str(seen(lab, EventName.FAULT).details["text"])


def test_a_target_may_name_the_server(lab: Lab) -> None:
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET A 1"})
    assert exchange(lab.http_port, get("http://lab:8080/46xxsettings.txt"))[1] == b"SET A 1"


def test_a_body_that_is_not_packed_as_it_says_is_no_fault_of_the_bench(lab: Lab) -> None:
    lab.script("j179-1", 1)
    head = b"POST /scep/j179-1/1/pkiclient.exe HTTP/1.1\r\nHost: lab\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    assert exchange(lab.http_port, head + b"abc")[0].startswith(b"HTTP/1.1 400")
    assert seen(lab, EventName.STRAY).details["reason"] == "body malformed"
    assert not [event for event in lab.events.since() if event.name is EventName.FAULT]


def test_a_body_beyond_the_bound_is_refused(lab: Lab) -> None:
    answer = httpx.post(f"http://127.0.0.1:{lab.http_port}/x", content=b"x" * 1_100_000)
    assert answer.status_code == 413
    assert seen(lab, EventName.STRAY).details["reason"] == "body too large"


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_phone_that_loses_power_while_it_sends_is_no_fault_of_the_bench(lab: Lab, reset: bool) -> None:
    lab.script("j179-1", 1)
    with socket.create_connection(("127.0.0.1", lab.http_port)) as sock:
        sock.sendall(b"POST /scep/j179-1/1/pkiclient.exe HTTP/1.1\r\nHost: lab\r\nContent-Length: 1000\r\n\r\nbegun")
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert seen(lab, EventName.STRAY).details["reason"] == "body broken off"
    assert not [event for event in lab.events.since() if event.name is EventName.FAULT]


class Held(Endpoint):
    """A CA that answers once it may."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(CaService(authority, issue(authority), clock=ScaledClock()))
        self.asked, self.may = threading.Event(), threading.Event()

    def answer(self, method: str, target: str, body: bytes = b"", fields: Mapping[str, str] = NO_FIELDS) -> HttpReply:
        self.asked.set()
        assert self.may.wait(10)
        return super().answer(method, target, body, fields)


def test_an_answer_that_nobody_takes_is_marked_as_not_sent(lab: Lab, authority: Authority) -> None:
    held = Held(authority)
    lab.seat("j179-1", 1, held)
    with socket.create_connection(("127.0.0.1", lab.http_port)) as sock:
        sock.sendall(get("/scep/j179-1/1/pkiclient.exe?operation=GetCACert"))
        assert held.asked.wait(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    held.may.set()
    event = seen(lab, EventName.SCEP_ANSWER)
    assert event.device == "j179-1"
    assert event.details["sent"] is False


def test_what_takes_a_ca_long_holds_up_no_file(lab: Lab, authority: Authority) -> None:
    held = Held(authority)
    lab.seat("j179-1", 1, held)
    lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
    with socket.create_connection(("127.0.0.1", lab.http_port), timeout=10) as sock:
        head = "POST /scep/j179-1/1/pkiclient.exe?operation=PKIOperation HTTP/1.1\r\nHost: lab\r\nContent-Length: 10000\r\n\r\n"
        sock.sendall(head.encode() + bytes(10_000))
        assert held.asked.wait(10)
        assert exchange(lab.http_port, get("/46xxsettings.txt"))[1] == b"SET X 1\n"
        held.may.set()
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_does_not_come_is_given_up() -> None:
    events = EventStream(ScaledClock())
    routes = Routes(scep=FileShelf(Roster()), files=FileShelf(Roster()))

    async def play() -> bytes:
        server = HttpServer(routes, events, patience=0.05)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.start([listener])
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 10\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.close()
            await writer.wait_closed()
            await server.stop()
        return answer

    assert asyncio.run(play()).startswith(b"HTTP/1.1 408 ")
    assert [event.details["reason"] for event in events.since()] == ["body too slow"]


@pytest.mark.parametrize("service", ["http", "sntp", "syslog"])
def test_a_port_in_use_is_named(service: str, authority: Authority, tmp_path: Path) -> None:
    kind = socket.SOCK_STREAM if service == "http" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if service == "http":
            holder.listen()
        port = holder.getsockname()[1]
        ports = {"http_port": 0, "sntp_port": None, "syslog_port": None, f"{service}_port": port}
        lab = Lab(clock=ScaledClock(), authority=authority, state=tmp_path, **ports)
        with pytest.raises(LabFault, match=f"{port}.*{service}"):
            lab.start()


def test_a_stopped_lab_has_given_its_port_back(authority: Authority, tmp_path: Path, own_port: int) -> None:
    for _ in range(2):
        with Lab(clock=ScaledClock(), authority=authority, state=tmp_path, http_port=own_port) as lab:
            assert lab.http_port == own_port
