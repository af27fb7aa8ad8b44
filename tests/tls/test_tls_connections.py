"""Connections stay open, are counted, and are ended when they are too much."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import Event, EventStream
from hil.services.roster import Roster
from hil.services.tls.connection import MOST_REQUESTS, Requests, Talk
from hil.services.tls.handshake import Credentials
from hil.services.tls.keylog import KeyLogs
from hil.services.tls.server import Limits, TlsServer
from hil.services.tls.sip import Registrar

PING, PONG = b"\r\n\r\n", b"\r\n"


def test_an_open_connection_outlives_a_renewal_that_new_ones_show(rig: Any) -> None:
    before, after = rig.desk.issue("before"), rig.desk.issue("after")
    with rig.connect("SIP", before) as old:
        old.sendall(PING)
        assert old.recv(10) == PONG
        with rig.connect("SIP", after) as new:
            for connection in (new, old):
                connection.sendall(PING)
                assert connection.recv(10) == PONG
        one, two = rig.seen(EventName.TLS_HANDSHAKE, 2)
        assert (one.details["serial"], two.details["serial"]) == (before.serial, after.serial)
        requests = [event.details["client"] for event in rig.seen(EventName.TLS_REQUEST, 3)]
        assert requests == [one.details["client"], two.details["client"], one.details["client"]]
    closed = {event.details["client"]: event.details for event in rig.seen(EventName.TLS_CLOSED, 2)}
    told = closed[one.details["client"]]
    assert (told["received"], told["sent"], told["reason"]) == (8, 4, "the client closed it")
    assert isinstance(told["seconds"], float)
    assert told["seconds"] > 0


def test_each_service_sees_the_certificate_that_it_is_shown(rig: Any) -> None:
    shown = {service: rig.desk.issue(service) for service in ("SIP", "LDAP", "PPM", "SYSLOG", "PROVISIONING")}
    for service, identity in shown.items():
        rig.connect(service, identity).close()
    seen = {event.details["service"]: event.details["serial"] for event in rig.seen(EventName.TLS_HANDSHAKE, len(shown))}
    assert seen == {service: identity.serial for service, identity in shown.items()}


def test_the_lab_ends_what_is_open(rig: Any) -> None:
    with rig.connect("SIP") as open_one:
        rig.seen(EventName.TLS_HANDSHAKE)
        rig.lab.stop()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert open_one.recv(10) == b""
    [closed] = rig.seen(EventName.TLS_CLOSED)
    assert closed.details["reason"] == "the bench stops"


class Small:
    """A SIP service with limits of the test's own, in the test's own loop."""

    def __init__(self, rig: Any, limits: Limits) -> None:
        self.events = EventStream(ScaledClock())
        self._root = rig.desk.root
        self._credentials = Credentials(rig.desk.authority, ("127.0.0.1",))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._server = TlsServer(
            {"SIP": lambda caller: Talk(Registrar(Requests(caller, self.events)), caller, self.events)},
            credentials=self._credentials,
            events=self.events,
            roster=Roster(),
            key_logs=KeyLogs(),
            limits=limits,
        )

    async def __aenter__(self) -> Small:
        self._server.start([self._listener])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()
        self._credentials.close()

    async def connect(self, address: str = "127.0.0.3") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cafile=self._root)
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, local_addr=(address, 0))

    def named(self, name: EventName) -> list[Event]:
        return [event for event in self.events.since() if event.name is name]


async def left_alone(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection ends, however it ends."""
    try:
        return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""


def test_the_oldest_connection_of_a_client_makes_room(rig: Any) -> None:
    async def play() -> None:
        async with Small(rig, Limits(of_client=2)) as small:
            first, *others = [await small.connect() for _ in range(3)]
            other_client = await small.connect("127.0.0.4")
            await left_alone(first[0])
            for reader, writer in (*others, other_client):
                writer.write(PING)
                assert await reader.readexactly(2) == PONG
            [closed] = small.named(EventName.TLS_CLOSED)
            assert closed.details["reason"] == "too many connections"
            assert closed.details["client"] == small.named(EventName.TLS_HANDSHAKE)[0].details["client"]
            for _, writer in (first, *others, other_client):
                writer.close()

    asyncio.run(play())


def test_more_than_all_is_not_taken(rig: Any) -> None:
    async def play() -> None:
        async with Small(rig, Limits(of_client=1, of_all=1)) as small:
            _, writer = await small.connect("127.0.0.3")
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await small.connect("127.0.0.4")
            writer.close()
            [stray] = small.named(EventName.STRAY)
            assert stray.details["reason"] == "too many connections of all"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("limits", "sends", "reason"),
    [(Limits(octets=3), PING, "too many octets"), (Limits(silence=0.05), b"", "silent for too long")],
)
def test_a_connection_over_its_limits_is_ended(rig: Any, limits: Limits, sends: bytes, reason: str) -> None:
    async def play() -> None:
        async with Small(rig, limits) as small:
            reader, writer = await small.connect()
            writer.write(sends)
            assert await left_alone(reader) == b""
            writer.close()
            await asyncio.to_thread(small.events.wait_for, lambda event: event.name is EventName.TLS_CLOSED, span=60)
            [closed] = small.named(EventName.TLS_CLOSED)
            assert closed.details["reason"] == reason

    asyncio.run(play())


def test_a_handshake_that_takes_too_long_is_ended(rig: Any) -> None:
    async def play() -> None:
        async with Small(rig, Limits(handshake=0.05)) as small:
            reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
            assert await left_alone(reader) == b""
            writer.close()
            await asyncio.to_thread(small.events.wait_for, lambda event: event.name is EventName.STRAY, span=60)
            [stray] = small.named(EventName.STRAY)
            assert stray.details["text"] == "took too long"

    asyncio.run(play())


def test_too_many_requests_end_a_connection(rig: Any) -> None:
    with rig.connect("SIP") as greedy:
        greedy.sendall(PING * (MOST_REQUESTS + 1))
        [stray] = rig.seen(EventName.STRAY)
    assert stray.details["reason"] == f"more than {MOST_REQUESTS} requests"


def test_keys_of_a_phone_go_to_its_log_alone(rig: Any, tmp_path: Path) -> None:
    rig.lab.place("j179-2", "127.0.0.4")
    own, others = tmp_path / "own.keys", tmp_path / "others.keys"
    with rig.lab.log_keys(own, ["j179-1"]), rig.lab.log_keys(others, ["j179-2"]):
        rig.connect("SIP").close()
        rig.seen(EventName.TLS_HANDSHAKE)
    rig.connect("SIP").close()
    rig.seen(EventName.TLS_HANDSHAKE, 2)
    secrets = [line for line in own.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")]
    assert len(secrets) == 1, "the second connection came after its log was closed"
    assert own.stat().st_mode & 0o777 == 0o600
    assert others.read_bytes() == b""


def test_the_bench_hangs_up_on_one_device_and_one_service(rig: Any) -> None:
    rig.lab.place("j179-2", "127.0.0.4")
    with rig.connect("SIP") as sip, rig.connect("LDAP") as ldap:
        rig.seen(EventName.TLS_HANDSHAKE, 2)
        rig.lab.hang_up("SIP", ["j179-2"])
        sip.sendall(PING)
        assert sip.recv(10) == PONG
        rig.lab.hang_up("SIP", ["j179-1"])
        assert sip.recv(10) == b""
        closed, asked = rig.seen(EventName.TLS_CLOSED)[0], rig.seen(EventName.HANG_UP, 2)
        assert (closed.details["service"], closed.details["reason"]) == ("SIP", "the bench hung up")
        assert [event.details["connections"] for event in asked] == [0, 1]
        ldap.settimeout(0.2)
        with pytest.raises(TimeoutError):
            ldap.recv(10)
    with rig.connect("SIP") as again:
        again.sendall(PING)
        assert again.recv(10) == PONG


def test_what_is_not_offered_cannot_be_hung_up(rig: Any) -> None:
    with pytest.raises(LabFault, match="8021X over TLS is not offered"):
        rig.lab.hang_up("8021X", ["j179-1"])
