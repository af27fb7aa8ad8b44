"""Ports that SCEP servers of single phones have to themselves: no client is given one, and no two doors share one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.services import doors
from hil.services.doors import Doors
from hil.services.events import EventStream
from hil.services.listening import Doorway

HOSTS = ("127.0.0.1", "127.77.9.1")


def made() -> Doors:
    events = EventStream(ScaledClock())
    return Doors(HOSTS, lambda: Doorway(asyncio.Protocol, lambda sock, _: sock.close(), events))


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOSTS[0], port)) == 0


def test_a_door_opens_again_whatever_ports_clients_were_given() -> None:
    async def play() -> None:
        all_doors = made()
        (port,) = (await all_doors.make("j179-1", [1])).values()
        await all_doors.close("j179-1")
        assert not connects(port)
        with socket.create_server((HOSTS[0], 0)) as server:
            first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
            assert first <= server.getsockname()[1] <= last
            assert not first <= port <= last
        await all_doors.open("j179-1")
        assert connects(port)
        await all_doors.stop()

    asyncio.run(play())


def test_a_door_is_at_no_port_that_wireshark_takes_for_another_protocol() -> None:
    listed = subprocess.run(["tshark", "-G", "decodes"], capture_output=True, text=True, timeout=60, check=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    known = {int(port) for table, port, *_ in rows if table == "tcp.port"}
    assert len(known) > 100
    assert known.isdisjoint(doors.never_a_clients())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("32768\t60999", range(61_000, 65_536)),
        ("20000\t40000", range(49_152, 65_536)),
        ("1024\t65535", range(1024, 65_536)),
        ("32768\t65535", range(1024, 32_768)),
        ("49152\t65530", range(1024, 49_152)),
    ],
)
def test_ports_are_those_that_the_kernel_leaves(given: str, kept: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text(given)
    monkeypatch.setattr(doors, "_CLIENTS_PORTS", tmp_path / "range")
    assert doors.never_a_clients() == kept


def test_no_two_doors_keep_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        all_doors = made()
        (port,) = (await all_doors.make("j179-1", [1])).values()
        await all_doors.close("j179-1")  # kept, and nobody listens
        monkeypatch.setattr(doors, "never_a_clients", lambda: [port] * 20)
        with pytest.raises(LabFault, match=rf"a server cannot start \(port {port}, .*Address already in use"):
            await all_doors.make("j189-1", [1])
        await all_doors.stop()

    asyncio.run(play())
