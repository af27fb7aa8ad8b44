"""What `hil proxy` and `hil ca` share: a SCEP server in the foreground that tells each exchange in a line."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from hil.cli.answers import read_answer
from hil.errors import LabFault, Misuse
from hil.evidence import EventName, scep_path
from hil.scenario import Answer
from hil.services.events import Event, EventStream
from hil.services.http import HttpServer, Routes
from hil.services.scep import Seat

_LOOK = 3600.0


def serve(seat: Seat, listener: socket.socket, events: EventStream, what: str) -> None:
    """Serve there until SIGINT or SIGTERM, and print what happens; `what` says what stands there."""
    console = Console(highlight=False, soft_wrap=True)
    host, port = listener.getsockname()
    console.print(Text(f"http://{host}:{port}{scep_path(seat.device, seat.slot)}, or any other path there, is now {what}"))
    asyncio.run(_serve(seat, listener, events, console))


def listening(listen: str) -> socket.socket:
    """A server's socket at `listen`, `HOST:PORT`: before anything is written, since it may not be had."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Misuse(f"{listen!r} is no address and port", key="--listen", remedy="for example 127.0.0.1:8080")
    try:
        return socket.create_server((host, int(port)))
    except OSError as error:
        raise LabFault("the server cannot start", tried=f"listen on {host}:{port}", seen=str(error)) from error


def read_script(texts: Sequence[str] | None) -> list[Answer]:
    """The answers that `--script` gives; to issue, where it gives none."""
    try:
        return [read_answer(text) for text in texts or ["Issue()"]]
    except ValueError as error:
        raise Misuse(str(error), key="--script", remedy="docs/scripts.md has the answers") from error


async def _serve(seat: Seat, listener: socket.socket, events: EventStream, console: Console) -> None:
    """Serve until SIGINT or SIGTERM, and print what happens."""
    server = HttpServer(Routes(seat, seat), events)
    ending = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ending.set)
    await server.start([listener])
    reader = events.subscribe()
    while not ending.is_set():
        _print(console, await asyncio.to_thread(reader.wait, _LOOK, ending))
    await server.stop()
    _print(console, reader.drain())


def _print(console: Console, events: Iterable[Event]) -> None:
    for event in events:
        if event.name is not EventName.SCEP_REQUEST:
            text = f"{event.real.astimezone():%H:%M:%S} {_line(event)}"
            style = "red" if event.name is EventName.FAULT else ""
            # What clients and servers say may hold what a terminal would obey.
            console.print(Text("".join(letter if letter.isprintable() else " " for letter in text), style=style))


def _line(event: Event) -> str:
    told = event.details
    if event.name is not EventName.SCEP_ANSWER:
        return f"{event.name.value}: {told.get('text') or told.get('reason')}"
    words = [told["client"], told["method"], told["operation"], told.get("message_type"), told.get("transaction_id"), "->"]
    words += [told["status"] or "nothing", told.get("pki_status"), told.get("fail_info"), told.get("scripted")]
    words += [f"({told[name]})" for name in ("problem", "notes") if told.get(name)]
    return " ".join(str(word) for word in words if word)
