"""So many phones that start at once: each asks for its files one after another, on a connection for each, from its own address.

    python -m benchmarks.phones PORT COUNT ROUNDS FOLDER

prints a line of JSON for each round. In a process of its own, so that it and the server do not share a core.
"""

from __future__ import annotations

import errno
import json
import resource
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILES = ("J100Supgrade.txt", "46xxsettings.txt")
"""What a phone asks for first, in this order."""

LONGEST = 120.0
"""Seconds until a round is given up; what is not answered by then is an error."""

_AGENT = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:{mac})"
_UNDER_WAY = (errno.EINPROGRESS, errno.EAGAIN)


def address_of(phone: int) -> str:
    """The loopback address that a phone speaks from."""
    return f"127.77.{phone // 250}.{phone % 250 + 1}"


@dataclass
class Round:
    """What came of a round: seconds for each request, and how many of each error there were."""

    seconds: float = 0.0
    requests: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass
class _Asking:
    """A phone's request under way."""

    phone: int
    file: int
    begun: float
    sock: socket.socket
    told: bool = False
    answer: bytearray = field(default_factory=bytearray)


class Phones:
    """All phones of a round, played by one thread. `files` has the octets of each file that they ask for."""

    def __init__(self, port: int, files: Mapping[str, bytes]) -> None:
        self._port = port
        self._files = [files[name] for name in FILES]
        self._poll = select.epoll()
        self._open: dict[int, _Asking] = {}
        self._round = Round()

    def play(self, count: int) -> Round:
        """Have `count` phones start at once; returns when the last has all its files, or failed."""
        self._round = Round()
        begun = time.perf_counter()
        for phone in range(count):
            self._ask(phone, 0)
        while self._open and time.perf_counter() - begun < LONGEST:
            for descriptor, _ in self._poll.poll(1.0):
                self._go_on(self._open[descriptor])
        for asking in list(self._open.values()):
            self._end(asking, "no answer in time")
        self._round.seconds = time.perf_counter() - begun
        return self._round

    def _ask(self, phone: int, file: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((address_of(phone), 0))
        asking = _Asking(phone, file, time.perf_counter(), sock)
        self._open[sock.fileno()] = asking
        self._poll.register(sock, select.EPOLLOUT)
        refused = sock.connect_ex(("127.0.0.1", self._port))
        if refused and refused not in _UNDER_WAY:
            self._end(asking, errno.errorcode[refused])

    def _go_on(self, asking: _Asking) -> None:
        try:
            if not asking.told:
                asking.sock.send(_request(asking))
                asking.told = True
                self._poll.modify(asking.sock, select.EPOLLIN)
            elif octets := asking.sock.recv(262_144):
                asking.answer += octets
            else:
                self._end(asking, None if self._is_whole(asking) else "not the file")
        except BlockingIOError:
            return
        except OSError as error:
            self._end(asking, error.strerror or str(error))

    def _end(self, asking: _Asking, error: str | None) -> None:
        del self._open[asking.sock.fileno()]
        asking.sock.close()
        if error is not None:
            self._round.errors[error] += 1
            return
        self._round.requests.append(time.perf_counter() - asking.begun)
        if asking.file + 1 < len(FILES):
            self._ask(asking.phone, asking.file + 1)

    def _is_whole(self, asking: _Asking) -> bool:
        head, _, body = bytes(asking.answer).partition(b"\r\n\r\n")
        wanted = self._files[asking.file]
        return head.startswith(b"HTTP/1.1 200 ") and b"Content-Length: %d" % len(wanted) in head and body == wanted


def _request(asking: _Asking) -> bytes:
    mac = f"c81fea{asking.phone:06x}"
    lines = (
        f"GET /{FILES[asking.file]} HTTP/1.1",
        "Host: 127.0.0.1",
        f"User-Agent: {_AGENT.format(mac=mac)}",
        "Accept: */*",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def rounds(port: int, count: int, times: int, folder: Path) -> Iterator[dict[str, object]]:
    """Each round as JSON has it."""
    allow_descriptors(2 * count)
    phones = Phones(port, {name: (folder / name).read_bytes() for name in FILES})
    for _ in range(times):
        done = phones.play(count)
        yield {"seconds": done.seconds, "requests": done.requests, "errors": dict(done.errors)}


def allow_descriptors(count: int) -> None:
    """Let this process have as many files open, where it may."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, min(count, most)), most))


def main(port: str, count: str, times: str, folder: str) -> None:
    """Play the rounds."""
    for told in rounds(int(port), int(count), int(times), Path(folder)):
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
