"""The phone's firmware: fetched on after a cut, written, and what is left of a phone that loses its power meanwhile."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil.virtual.phone import image, web
from hil.virtual.phone.clock import Alone, Clock, Port
from hil.virtual.phone.errors import NoAnswer
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.log import Log
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.upgrade import WRITES_FOR, Running, Upgrade, running

SHIPPED, NEW = "4.1.3.0.6", "FW_S_J179_R4_1_5_0_6.bin"


class PowerLost(BaseException):
    """The power is gone; nothing of the phone goes on."""


class Restarted(BaseException):
    """The phone starts afresh; nothing of this run goes on."""


@dataclass
class Server:
    """Serves one file, a connection at a time, in answers that may be cut short."""

    content: bytes
    cuts: list[int]
    """Octets of the body after which each answer in turn is cut; the later ones are whole."""
    ranges: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.port.getsockname()[1]}/"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.port.accept()
            except OSError:
                return
            with connection:
                asked = re.search(rb"Range: bytes=(\d+)-", connection.recv(4096))
                start = int(asked[1]) if asked else 0
                self.ranges.append(str(start))
                body = self.content[start:]
                head = f"HTTP/1.1 {206 if asked else 200} OK\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body[: self.cuts.pop(0) if self.cuts else None])


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(content: bytes, *cuts: int) -> Server:
        servers.append(Server(content, list(cuts)))
        return servers[-1]

    yield start
    for server in servers:
        server.port.close()


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., bytes]:
    """The octets of an image, whatever its name is later."""

    def make(name: str = NEW, **how: object) -> bytes:
        file = tmp_path / name
        image.write(file, 100_000, **how)  # type: ignore[arg-type]
        return file.read_bytes()

    return make


@pytest.fixture
def flash(tmp_path: Path) -> Flash:
    return Flash(tmp_path / "flash")


def take(flash: Flash, server: Server, name: str = NEW, *, powered_for: float = 1e6) -> str:
    """What became of a phone that is told to take an image: `restarted`, `went on` or `lost its power`."""
    slept: list[float] = []

    class Outlet(Alone):
        def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
            slept.append(within)
            if sum(slept) > powered_for:
                raise PowerLost
            return ports

    clock = Clock(1.0, monotonic=lambda: sum(slept), bench=Outlet())
    unit = Unit("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A", SHIPPED)

    def restart() -> None:
        raise Restarted

    try:
        Upgrade(unit, SHIPPED, flash, clock, Log(clock, "AVX83E85A"), restart).take(name, server.url)
    except Restarted:
        return "restarted"
    except PowerLost:
        return "lost its power"
    return "went on"


def test_what_was_cut_short_is_fetched_on_from_there(serve: Callable[..., Server], tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    server, file = serve(content, 300_000, 100_000), tmp_path / "image"
    for _ in range(2):
        with pytest.raises(NoAnswer, match="ended"):
            web.download(server.url, "phone", file)
    assert web.download(server.url, "phone", file) == 206
    assert file.read_bytes() == content
    assert server.ranges == ["0", "300000", "400000"]


def test_it_runs_what_it_was_told_from_the_next_start_on(
    flash: Flash, serve: Callable[..., Server], made: Callable[..., bytes]
) -> None:
    assert running(flash, SHIPPED) == Running(SHIPPED)
    assert take(flash, serve(made(), 20_000)) == "restarted"
    assert running(flash, SHIPPED) == Running("4.1.5.0.6", fresh=True)
    assert running(flash, "4.0.13.0") == Running("4.0.13.0"), "another phone"


def test_without_power_while_it_writes_nothing_of_it_starts_any_more(
    flash: Flash, serve: Callable[..., Server], made: Callable[..., bytes]
) -> None:
    assert take(flash, serve(made()), powered_for=WRITES_FOR / 2) == "lost its power"
    assert running(flash, SHIPPED) is None
    assert running(Flash(flash.folder), SHIPPED) is None


def test_a_damaged_image_leaves_the_former_and_a_dead_one_nothing(
    flash: Flash, serve: Callable[..., Server], made: Callable[..., bytes]
) -> None:
    assert take(flash, serve(made(damaged=True))) == "restarted"
    assert running(flash, SHIPPED) == Running(SHIPPED)
    assert take(flash, serve(made(after="stays-dead"))) == "restarted"
    assert running(flash, SHIPPED) is None


def test_what_is_not_for_it_is_not_written(flash: Flash, serve: Callable[..., Server], made: Callable[..., bytes]) -> None:
    same, other = serve(b""), serve(made("FW_S_J139_R4_1_5_0_6.bin"))
    assert take(flash, same, "FW_S_J179_R4_1_3_0_6.bin") == "went on"
    assert same.ranges == [], "what it runs already is not fetched"
    assert take(flash, other) == "went on"
    assert running(flash, SHIPPED) == Running(SHIPPED)
