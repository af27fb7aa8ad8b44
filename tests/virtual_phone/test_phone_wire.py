"""The phone's DHCP, SNTP, HTTP and syslog, message by message; its clock and its flash."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hil.virtual.phone import dhcp, log, parameters, sntp, web
from hil.virtual.phone.clock import Alone, BenchFiles, Clock, Port
from hil.virtual.phone.errors import NoAnswer, Refused
from hil.virtual.phone.flash import Flash, Stored
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.unit import Unit

UNIT = Unit("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A", "4.1.3.0.6")


def server_message(kind: int, **changes: bytes | None) -> bytes:
    options: dict[int, bytes | None] = {
        dhcp.KIND: bytes([kind]),
        dhcp.SERVER: bytes([10, 0, 0, 1]),
        dhcp.LEASE: struct.pack("!I", 3628800),
        dhcp.MASK: bytes([255, 255, 0, 0]),
        **{int(name.removeprefix("o")): value for name, value in changes.items()},
    }
    body = b"".join(bytes([number, len(value)]) + value for number, value in options.items() if value is not None)
    head = bytearray(dhcp.message(UNIT, kind, 7)[:240])
    head[0], head[16:20] = 2, bytes([10, 0, 0, 9])
    return bytes(head) + b"\0" + body + b"\xff"


def received(datagram: bytes) -> dhcp.Message:
    found = dhcp.read_message(datagram)
    assert found is not None
    return found


def test_what_a_discover_says() -> None:
    packet = dhcp._packet(dhcp.message(UNIT, dhcp.DISCOVER, 7))
    assert dhcp._checksum(packet[:20]) == 0
    assert dhcp._checksum(bytes(4) + b"\xff" * 4 + struct.pack("!BBH", 0, 17, len(packet) - 20) + packet[20:]) == 0
    assert struct.unpack_from("!HH", packet, 20) == (68, 67)
    body = bytearray(packet[28:])
    assert body[28:34] == bytes.fromhex("c81fea83e85a")
    body[0] = 2
    said = received(bytes(body))
    assert (said.kind, said.xid) == (dhcp.DISCOVER, 7)
    assert said.options[dhcp.NAME] == b"AVX83E85A"
    assert said.options[dhcp.VENDOR] == b"ccp.avaya.com"
    assert {dhcp.AVAYA, dhcp.LEASE, dhcp.TIME_SERVERS} <= set(said.options[dhcp.WANTED])


@pytest.mark.parametrize(
    ("changes", "xid", "good"),
    [({}, 7, True), ({"o51": None}, 7, False), ({"o54": None}, 7, False), ({}, 8, False), ({"o53": bytes([5])}, 7, False)],
)
def test_which_offers_are_taken(changes: dict[str, bytes | None], xid: int, good: bool) -> None:
    assert dhcp.acceptable(received(server_message(dhcp.OFFER, **changes)), xid) is good


def test_what_a_lease_gives() -> None:
    site = b"HTTPSRVR=10.0.0.1,HTTPPORT=8080,noise,LOGSRVR=10.0.0.3\0"
    pair = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    ack = server_message(dhcp.ACK, o242=site, o42=pair, o6=pair, o7=bytes([10, 0, 0, 4]), o3=bytes([10, 0, 0, 1]))
    assert dhcp.lease(received(ack)) == dhcp.Lease(
        "10.0.0.9",
        "255.255.0.0",
        "10.0.0.1",
        {
            "HTTPSRVR": "10.0.0.1",
            "HTTPPORT": "8080",
            "LOGSRVR": "10.0.0.3",
            "SNTPSRVR": "10.0.0.1,10.0.0.2",
            "DNSSRVR": "10.0.0.1,10.0.0.2",
        },
    )


def test_what_is_no_dhcp_message() -> None:
    good = server_message(dhcp.OFFER)
    for cut in range(len(good) - 1):
        found = dhcp.read_message(good[:cut])
        assert found is None or not dhcp.acceptable(found, 7) or cut > 250
    assert dhcp.read_message(bytes(300)) is None
    assert dhcp._payload(b"") == dhcp._payload(b"\x4f" * 30) == b""


def sntp_reply(cookie: bytes, first: int = 0x24, stratum: int = 2, seconds: int = 2208988800 + 1_800_000_000) -> bytes:
    stamp = struct.pack("!II", seconds & 0xFFFFFFFF, 1 << 31)
    return bytes([first, stratum]) + bytes(22) + cookie + stamp + stamp


def test_the_time_of_a_reply() -> None:
    cookie = sntp.request(b"12345678")[40:]
    assert sntp.read_reply(sntp_reply(cookie), cookie) == 1_800_000_000.5
    assert sntp.read_reply(sntp_reply(cookie, seconds=2208988800 + 2_100_000_000), cookie) == 2_100_000_000.5


@pytest.mark.parametrize(
    "reply",
    [
        sntp_reply(b"another8"),
        sntp_reply(b"12345678", first=0xE4),
        sntp_reply(b"12345678", stratum=0),
        sntp_reply(b"12345678")[:47],
        b"",
    ],
)
def test_replies_that_give_no_time(reply: bytes) -> None:
    with pytest.raises(Refused):
        sntp.read_reply(reply, b"12345678")


Serve = Callable[[bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on loopback that gives each caller the same bytes, whatever it asks; gives its address."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        listeners.append(listener)

        def run() -> None:
            caller, _ = listener.accept()
            with caller:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += caller.recv(65536)
                caller.sendall(answer.replace(b"@", request))

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/dir/file?a=b"

    yield start
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


def test_a_request_names_the_phone(serve: Serve) -> None:
    url = serve(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=x\r\n\r\n@")
    answer = web.exchange(url, UNIT.user_agent)
    lines = answer.body.decode().split("\r\n")
    assert (answer.status, answer.media_type) == (200, "text/plain")
    assert lines[0] == "GET /dir/file?a=b HTTP/1.1"
    assert f"User-Agent: {UNIT.user_agent}" in lines
    assert f"Host: {url.split('/')[2]}" in lines


def test_a_body_is_posted(serve: Serve) -> None:
    answer = web.exchange(serve(b"HTTP/1.1 200 OK\r\n\r\n@"), "phone", b"message")
    assert answer.body.startswith(b"POST ")
    assert b"Content-Type: application/x-pki-message\r\nContent-Length: 7\r\n" in answer.body


def test_chunks_and_interim_answers(serve: Serve) -> None:
    chunks = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert web.exchange(serve(chunks), "phone") == web.Answer(404, "", b"abcde")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-x\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_whole(answer: bytes, serve: Serve) -> None:
    with pytest.raises(NoAnswer):
        web.exchange(serve(answer), "phone")


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WHOLE_ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(NoAnswer, match=r"timed out|too long"):
        web.exchange(f"http://127.0.0.1:{listener.getsockname()[1]}/", "phone")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://host.example/", "ftp://127.0.0.1/", "", "http://[::1", "http://1.2.3.4:99999/"]
)
def test_where_the_phone_does_not_go(url: str) -> None:
    with pytest.raises(NoAnswer):
        web.exchange(url, "phone")


def test_a_query_is_escaped() -> None:
    assert (
        web.with_query("http://h/p", operation="GetCACert", message="a b+/=")
        == "http://h/p?operation=GetCACert&message=a%20b%2B%2F%3D"
    )
    assert web.with_query("http://h/p?x=1", operation="GetCACaps") == "http://h/p?x=1&operation=GetCACaps"


@pytest.mark.parametrize(
    ("values", "severity", "target"),
    [
        ({}, 3, None),
        ({"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "3"}, 3, ("10.0.0.1", 514)),
        ({"SYSLOG_ENABLED": "1"}, 3, None),
        ({"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7"}, 6, None),
        ({"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7", "LOG_CATEGORY": "dhcp,certmgmt"}, 6, ("10.0.0.1", 514)),
        ({"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7", "LOGSRVR": "10.0.0.2:1514"}, 3, ("10.0.0.2", 1514)),
        ({"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7", "LOGSRVR": "host.example"}, 3, None),
    ],
)
def test_what_goes_to_syslog(values: dict[str, str], severity: int, target: tuple[str, int] | None) -> None:
    settings = Settings(parameters.known(UNIT, Habits()), {"LOGSRVR": "10.0.0.1"}, values)
    sent = log.worth_sending(settings, "CERTMGMT", severity)
    assert (log.syslog_target(settings) if sent else None) == target


def test_a_syslog_line() -> None:
    assert log.syslog_line(0.0, "AVX83E85A", "CERTMGMT", 3, "a") == b"<163>Jan  1 00:00:00 AVX83E85A CERTMGMT: a"


class Time(Alone):
    """A monotonic clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
        self.now += within
        return ports


def test_phone_time_runs_at_its_rate() -> None:
    time = Time()
    clock = Clock(30.0, 5.0, time, time)
    clock.sleep(60.0)
    assert time.now == pytest.approx(102.0)
    assert (clock.now(), clock.uptime()) == pytest.approx((65.0, 60.0))
    clock.set(1000.0)
    clock.sleep(3.0)
    assert clock.now() == pytest.approx(1003.0)
    assert clock.uptime() == pytest.approx(63.0)


def test_phone_time_leaps_where_the_bench_says(tmp_path: Path) -> None:
    time, file = Time(), tmp_path / "leaps"
    file.write_text("90.0 7.0\n")
    clock = Clock(30.0, 5.0, time, BenchFiles(tmp_path))
    time.now += 2.0
    assert clock.uptime() == pytest.approx(60.0)
    file.write_text("90.0 7.0\n101.0 3000.0\n")
    assert clock.uptime() == pytest.approx(3060.0)
    assert clock.now() == pytest.approx(5.0 + 3060.0)


def test_flash_survives_and_is_private(tmp_path: Path) -> None:
    time = Time()
    flash, stored = Flash(tmp_path), Stored("http://10.0.0.1/", "certificate", "key")
    flash.store(2, stored, Clock(10.0, 0.0, time, time), 20.0)
    assert time.now == pytest.approx(102.0)
    flash.remember_urls({1: "a"})
    flash.remember_urls({2: "b"})
    flash.remember_time(7.0)
    again = Flash(tmp_path)
    assert (again.certificates(), again.urls(), again.time()) == (
        {2: replace(stored, installed=again.certificates()[2].installed)},
        {1: "a", 2: "b"},
        7.0,
    )
    assert again.certificates()[2].installed == pytest.approx(20.0)
    assert (tmp_path / "profile-2.json").stat().st_mode & 0o777 == 0o600
    again.delete(2)
    again.delete(3)
    assert again.certificates() == {}


def test_what_power_cut_short_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "profile-1.json.part").write_text('{"url": "http')
    assert Flash(tmp_path).certificates() == {}
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_held_before_the_write_is_over(tmp_path: Path) -> None:
    class Outlet(Alone):
        def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
            raise KeyboardInterrupt(ports, within)

    flash = Flash(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        flash.store(1, Stored("", "", ""), Clock(1.0, bench=Outlet()), 2.0)
    assert list(tmp_path.iterdir()) == []
