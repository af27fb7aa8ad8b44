"""Requests that the bench reads without its HTTP library: they are read as the library reads them, or left to it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.clock import ScaledClock
from hil.evidence import EventName, scep_path
from hil.scep.ca import Authority
from hil.services.lab import Lab
from hil.services.simple import LONGEST_SIMPLE, read_simple
from hil.services.web import AGENT_SHOWN, Call

PEER = ("127.0.0.9", 4711)
TARGET = "/scep/j179-1/1/pkiclient.exe?operation=PKIOperation&message=a%2Bb+c"
FIELDS = b"Host: lab\r\nuser-agent: AVAYA/J179 (MAC:c81fea83e85a) \r\nContent-Type: application/x-pki-message\r\n"
GET = b"GET " + TARGET.encode() + b" HTTP/1.1\r\n" + FIELDS + b"\r\n"
POST = b"POST /scep/ HTTP/1.1\r\n" + FIELDS + b"content-length: 5\r\nConnection: close\r\n\r\n\x30\0\r\n\xff"
BARE = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 4),
        st.sampled_from(
            (
                b"",
                b" ",
                b"\r\n",
                b"\n",
                b"\t",
                b":",
                b"5",
                b"-",
                b"\0",
                b"\x80",
                b"#",
                b"Host: a\r\n",
                b"Expect: 100-continue\r\n",
            )
        ),
    ),
    max_size=4,
)


def test_a_get_is_read_with_all_that_is_told_of_it() -> None:
    agent, kind = "AVAYA/J179 (MAC:c81fea83e85a)", "application/x-pki-message"
    fields = {"host": "lab", "user-agent": agent, "content-type": kind}
    assert read_simple(GET, PEER) == Call(*PEER, "GET", TARGET, agent, b"", kind, fields)


def test_a_post_is_read_with_its_body() -> None:
    call = read_simple(POST, PEER)
    assert call is not None
    assert (call.method, call.target, call.body) == ("POST", "/scep/", b"\x30\0\r\n\xff")


def test_a_request_may_say_nothing_of_itself() -> None:
    assert read_simple(BARE, PEER) == Call(*PEER, "GET", "/", fields={"host": "lab"})


def test_a_long_user_agent_is_cut() -> None:
    call = read_simple(b"GET / HTTP/1.1\r\nHost: lab\r\nUser-Agent: " + b"x" * 1000 + b"\r\n\r\n", PEER)
    assert call is not None
    assert call.user_agent == "x" * AGENT_SHOWN


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lab\r\n",
        b"GET / HTTP/1.0\r\nHost: lab\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"GET http://lab/ HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nHost : lab\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lab\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lab\r\nHost: other\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: l\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lab\r\nUser-Agent: \xe9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: lab\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 1\r\n\r\nxy",
        GET + GET,
    ],
)
def test_what_is_not_whole_or_not_simple_is_left_to_the_library(octets: bytes) -> None:
    assert read_simple(octets, PEER) is None


def test_the_library_reads_alike_what_is_simple() -> None:
    """Requests near good ones: whichever of them are simple, the library takes as one request, and for the same."""
    simple = set[bytes]()

    @settings(max_examples=1500, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from((GET, POST, BARE)), EDITS)
    def edited(octets: bytes, edits: list[tuple[float, int, bytes]]) -> None:
        for place, removed, added in edits:
            at = int(place * len(octets))
            octets = octets[:at] + added + octets[at + removed :]
        call = read_simple(octets, PEER)
        if call is not None:
            assert _as_the_library_has_it(octets, loop) == call
            simple.add(octets)

    with closing(asyncio.new_event_loop()) as loop:
        edited()
    assert len(simple) > 50


def _as_the_library_has_it(octets: bytes, loop: asyncio.AbstractEventLoop) -> Call | None:
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, max_line_size=LONGEST_SIMPLE, max_field_size=LONGEST_SIMPLE)
    try:
        [(message, payload)], upgraded, tail = parser.feed_data(octets)
    except (HttpProcessingError, ValueError):
        return None
    if upgraded or tail or not payload.is_eof():
        return None
    body = payload.read_nowait() if payload.total_bytes else b""
    told = message.headers
    fields = {name.lower(): value for name, value in told.items()}
    return Call(*PEER, message.method, message.path, told.get("User-Agent"), body, told.get("Content-Type"), fields)


@pytest.mark.parametrize("beside", [b"", b"X-Beside: 1\r\n"], ids=["simple", "by the library"])
def test_an_answer_and_its_event_are_the_same_either_way(lab: Lab, beside: bytes) -> None:
    lab.script("j179-1", 1, capabilities=("AES",))
    target = f"{scep_path('j179-1', 1)}?operation=GetCACaps"
    with socket.create_connection(("127.0.0.1", lab.http_port), timeout=10) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: lab\r\nUser-Agent: AVAYA\r\n".encode() + beside + b"\r\n")
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
        client = "{}:{}".format(*sock.getsockname())
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    named = {line.partition(b": ")[0]: line.partition(b": ")[2] for line in lines}
    assert (status, body) == (b"HTTP/1.1 200 OK", b"AES\n")
    assert named.pop(b"Date").endswith(b" GMT")
    assert named == {b"Content-Type": b"text/plain", b"Content-Length": b"4", b"Connection": b"close", b"Server": b"j100-hil"}
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=300)
    assert event is not None
    assert event.details == {
        "client": client,
        "method": "GET",
        "path": scep_path("j179-1", 1),
        "status": 200,
        "size": 4,
        "user_agent": "AVAYA",
        "sent": True,
        "operation": "GetCACaps",
        "identifier": "",
    }


def test_a_client_that_says_nothing_does_not_hold_up_the_end(authority: Authority, tmp_path: Path) -> None:
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path) as lab:
        silent = socket.create_connection(("127.0.0.1", lab.http_port), timeout=10)
        # Served after the silent one was let in, since connections are taken in the order in which they come.
        with socket.create_connection(("127.0.0.1", lab.http_port), timeout=10) as other:
            other.sendall(BARE)
            assert other.recv(65_536).startswith(b"HTTP/1.1 404 ")
    with silent:
        assert silent.recv(1) == b""
