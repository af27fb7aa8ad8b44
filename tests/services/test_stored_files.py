"""Images are streamed from disk, whole or in parts, the same in the clear, through the HTTP library, and over TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName
from hil.scep.authority import to_pem
from hil.scep.ca import Authority
from hil.services.events import EventStream
from hil.services.files import FileShelf
from hil.services.http import HttpServer, Routes
from hil.services.lab import Lab
from hil.services.listening import Doorway
from hil.services.quick import QuickFiles, read_call
from hil.services.roster import Roster

NAME = "FW_S_J179_R4_1_11_0_9.bin"
IMAGE = bytes(range(256)) * 4_000
Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / NAME
    file.write_bytes(IMAGE)
    return file


@pytest.fixture
def served(authority: Authority, tmp_path: Path, image: Path) -> Iterator[Lab]:
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "lab", tls={"PROVISIONING": 0}) as lab:
        lab.place("j179-1", "127.0.0.1")
        lab.publish("j179-1", "/", {NAME: image, "46xxsettings.txt": b"SET X 1\n"})
        yield lab


@pytest.fixture(params=["at once", "by the HTTP library", "over TLS"])
def ask(request: pytest.FixtureRequest, served: Lab, authority: Authority) -> Ask:
    """Sends a request and reads the answer to the connection's end: status, fields, body."""
    port = served.tls_port("PROVISIONING") if request.param == "over TLS" else served.http_port
    more = ["Content-Length: 0"] if request.param == "by the HTTP library" else []

    def ask(path: str, method: str = "GET", **fields: str) -> tuple[int, dict[str, str], bytes]:
        lines = [*more, *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        with ExitStack() as stack:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            if request.param == "over TLS":
                sock = stack.enter_context(_trusting(authority).wrap_socket(sock, server_hostname="127.0.0.1"))
            sock.sendall("\r\n".join((f"{method} {path} HTTP/1.1", "Host: bench", *lines, "", "")).encode())
            head, _, body = b"".join(iter(lambda: sock.recv(65_536), b"")).partition(b"\r\n\r\n")
        first, *told = head.decode().split("\r\n")
        return int(first.split()[1]), {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in told}, body

    return ask


def _trusting(authority: Authority) -> ssl.SSLContext:
    """As a phone that has the bench's CA in TRUSTCERTS, and asks for the bench by its address."""
    context = ssl.create_default_context(cadata=to_pem(authority.certificate).decode())
    assert context.check_hostname
    return context


def test_an_image_comes_whole_with_its_length(ask: Ask) -> None:
    status, fields, body = ask(f"/{NAME}")
    assert (status, fields["content-length"], body == IMAGE) == (200, str(len(IMAGE)), True)
    assert (fields["accept-ranges"], fields["connection"]) == ("bytes", "close")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=1023900-", 1_023_900, 1_023_999),
        ("bytes=-100", 1_023_900, 1_023_999),
        ("bytes=1023900-9999999", 1_023_900, 1_023_999),
        ("bytes=-9999999", 0, 1_023_999),
    ],
)
def test_a_part_is_sent_that_is_asked_for(ask: Ask, wanted: str, first: int, last: int) -> None:
    status, fields, body = ask(f"/{NAME}", Range=wanted)
    if last - first + 1 == len(IMAGE):
        assert (status, body == IMAGE) == (200, True)
    else:
        assert (status, fields["content-range"]) == (206, f"bytes {first}-{last}/{len(IMAGE)}")
        assert body == IMAGE[first : last + 1]
    assert fields["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("wanted", ["bytes=1024000-", "bytes=2000000-3000000", "bytes=-0"])
def test_a_part_beyond_the_end_is_refused(ask: Ask, wanted: str) -> None:
    status, fields, _ = ask(f"/{NAME}", Range=wanted)
    assert (status, fields["content-range"]) == (416, "bytes */1024000")


@pytest.mark.parametrize("wanted", ["bytes=5-3", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes"])
def test_what_is_no_one_range_gets_the_whole(ask: Ask, wanted: str) -> None:
    status, _, body = ask(f"/{NAME}", Range=wanted)
    assert (status, body == IMAGE) == (200, True)


def test_a_part_is_sent_only_of_the_file_that_the_client_has_begun(ask: Ask) -> None:
    _, fields, _ = ask(f"/{NAME}", "HEAD")
    for validator in (fields["etag"], fields["last-modified"]):
        assert ask(f"/{NAME}", Range="bytes=0-9", If_Range=validator)[0] == 206
    for validator in ('"another"', "Mon, 01 Jan 2024 00:00:00 GMT", f"W/{fields['etag']}"):
        assert ask(f"/{NAME}", Range="bytes=0-9", If_Range=validator)[0] == 200


def test_head_tells_and_sends_nothing(ask: Ask) -> None:
    status, fields, body = ask(f"/{NAME}", "HEAD", Range="bytes=0-9")
    assert (status, fields["content-length"], body) == (200, str(len(IMAGE)), b"")


def test_who_has_the_image_is_told_so(ask: Ask, image: Path) -> None:
    _, fields, _ = ask(f"/{NAME}", "HEAD")
    for condition in ({"If_None_Match": fields["etag"]}, {"If_None_Match": "*"}, {"If_Modified_Since": fields["last-modified"]}):
        status, told, body = ask(f"/{NAME}", **condition)
        assert (status, body, told["etag"]) == (304, b"", fields["etag"])
        assert "content-length" not in told
    for condition in (
        {"If_None_Match": '"another"', "If_Modified_Since": fields["last-modified"]},
        {"If_Modified_Since": "Mon, 01 Jan 2024 00:00:00 GMT"},
        {"If_Modified_Since": "yesterday"},
    ):
        assert ask(f"/{NAME}", **condition)[0] == 200


def test_settings_are_sent_whole_whatever_the_phone_says_to_have(ask: Ask) -> None:
    conditions = {"If_None_Match": "*", "If_Modified_Since": "Tue, 01 Jan 2999 00:00:00 GMT", "Range": "bytes=0-1"}
    status, fields, body = ask("/46xxsettings.txt", **conditions)
    assert (status, body) == (200, b"SET X 1\n")
    assert not {"etag", "last-modified"} & fields.keys()


def test_a_part_is_an_event_that_tells_which(served: Lab, ask: Ask) -> None:
    ask(f"/{NAME}", Range="bytes=10-19")
    event = served.events.wait_for(lambda event: event.name is EventName.FILE_SERVED, span=10)
    assert event is not None
    assert (event.device, event.details["status"], event.details["size"]) == ("j179-1", 206, 10)
    assert (event.details["range"], event.details["sent"]) == ("bytes 10-19/1024000", True)


def test_an_image_is_served_as_it_was_when_it_was_published(served: Lab, ask: Ask, image: Path) -> None:
    image.unlink()
    image.write_bytes(b"another")
    assert ask(f"/{NAME}")[2] == IMAGE
    served.publish("j179-1", "/", {NAME: image})
    assert ask(f"/{NAME}")[2] == b"another"


@pytest.mark.parametrize("name", ["missing.bin", ".", "pipe"])
def test_what_cannot_be_read_is_refused_when_it_is_published(served: Lab, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misuse, match="cannot be served"):
        served.publish("j179-1", "/", {"x.bin": tmp_path / name})


def test_an_image_that_becomes_shorter_is_a_fault_of_the_bench(served: Lab, ask: Ask, image: Path) -> None:
    image.write_bytes(b"cut")
    _, _, body = ask(f"/{NAME}")
    assert len(body) < len(IMAGE)
    fault = served.events.wait_for(lambda event: event.name is EventName.FAULT, span=10)
    assert fault is not None
    assert "shorter" in str(fault.details["text"])


def test_a_phone_that_leaves_in_the_middle_is_no_fault(served: Lab, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.touch()
    os.truncate(big, 64 * 2**20)
    served.publish("j179-1", "/", {"big.bin": big})
    with socket.create_connection(("127.0.0.1", served.http_port)) as sock:
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: bench\r\n\r\n")
        assert sock.recv(1)
    event = served.events.wait_for(lambda event: event.name is EventName.FILE_SERVED, span=20)
    assert event is not None
    assert event.details["sent"] is False
    assert not [event for event in served.events.since() if event.name is EventName.FAULT]


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /46xxsettings.txt HTTP/1.1\r\nHost: bench\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\nHost: bench\r\nContent-Length: 1\r\n\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\n folded: line\r\n\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\nHost: a\nContent-Length: 1\r\n\r\n",
        b"GET /46xxsettings.txt HTTP/1.1\r\n\r\nGET /46xxsettings.txt HTTP/1.1\r\n\r\n",
        b"GET /46xxsettings.txt\r\n\r\n",
        b"GET /46xxsettings.txt SPDY/3\r\n\r\n",
        b"GET http://bench/46xxsettings.txt HTTP/1.1\r\n\r\n",
        b"GET /scep/j179-1/1/pkiclient.exe?operation=GetCACaps HTTP/1.1\r\n\r\n",
        b"GET /%73cep/j179-1/1/pkiclient.exe?operation=GetCACaps HTTP/1.1\r\n\r\n",
        b"POST /46xxsettings.txt HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_all_but_a_whole_request_of_a_file_is_left_to_the_http_library(octets: bytes) -> None:
    assert read_call(octets, "127.0.0.1", 1) is None


def test_of_a_request_is_known_what_the_http_library_would_know() -> None:
    octets = b"HEAD /a%20b.bin?x=1 HTTP/1.1\r\nhost: bench\r\nUSER-AGENT: phone\r\nrange:bytes=0-1\r\n\r\n"
    call = read_call(octets, "127.0.0.1", 7)
    assert call is not None
    assert (call.method, call.path, call.target, call.port) == ("HEAD", "/a b.bin", "/a%20b.bin?x=1", 7)
    assert (call.user_agent, call.fields["range"]) == ("phone", "bytes=0-1")


@pytest.mark.parametrize("by_library", [False, True], ids=["at once", "by the HTTP library"])
def test_a_phone_that_takes_nothing_is_given_up(authority: Authority, tmp_path: Path, by_library: bool) -> None:
    big = tmp_path / "big.bin"
    big.touch()
    os.truncate(big, 64 * 2**20)
    roster, events = Roster(), EventStream(ScaledClock())
    shelf = FileShelf(roster)
    shelf.publish("j179-1", "/", {"big.bin": big})

    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            http = HttpServer(Routes(shelf, shelf), events, patience=0.2)
            await http.start([listener] if by_library else ())
            quick = QuickFiles(shelf, events, patience=0.2)
            doorway = Doorway(http.speaker, lambda sock, _: sock.close(), events, quick=(quick.take,))
            doorway.start(() if by_library else [listener])
            _, writer = await asyncio.open_connection(*listener.getsockname(), limit=1)
            writer.write(b"GET /big.bin HTTP/1.1\r\nHost: bench\r\n\r\n")
            await asyncio.to_thread(events.wait_for, lambda event: event.name is EventName.FILE_SERVED, span=20)
            writer.close()
            await doorway.stop()
            await quick.stop()
            await http.stop()

    asyncio.run(play())
    assert [event.details["sent"] for event in events.since() if event.name is EventName.FILE_SERVED] == [False]
