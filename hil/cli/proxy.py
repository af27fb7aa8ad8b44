"""`hil proxy`: a recording proxy before a SCEP server, which plays a script's answers."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from hil.asn1 import Malformed
from hil.capture.keys import load_key
from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.evidence import EventName, scep_path
from hil.scenario import Answer, read_answer
from hil.scep.certificate import Certificate, read_certificate
from hil.services.events import Event, EventStream
from hil.services.http import HttpServer, Routes
from hil.services.ledger import Ledger
from hil.services.proxy import ProxyDesk
from hil.services.recording import Recording
from hil.services.relay import Speaker
from hil.services.scep import Seat
from hil.services.upstream import Upstream

_DEVICE, _SLOT = "proxy", 1
_LOOK = 3600.0


def proxy(
    upstream: Annotated[str, typer.Argument(metavar="UPSTREAM-URL", help="The SCEP server's URL, without a query.")],
    record: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what passes; added to if it is there.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0 takes a free one.")] = "127.0.0.1:0",
    trust: Annotated[Path | None, typer.Option(metavar="PEM", help="Certificates to trust over https, not the system's.")] = None,
    script: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ANSWER", help="Answer to the next request for a certificate, such as 'HttpError(503)'; repeatable."
        ),
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM|DER", help="Key with which the CA signs its replies.")] = None,
    certificate: Annotated[Path | None, typer.Option(metavar="PEM", help="The certificate of that key.")] = None,
) -> None:
    """Pass SCEP on to a server, at whatever path it is asked, and record it; Ctrl-C ends it."""
    answers = [_read_answer(text) for text in script or ["Issue()"]]
    speaker = _speaker(key, certificate)
    host, port = _address(listen)
    clock = ScaledClock()
    events = EventStream(clock)
    console = Console(highlight=False, soft_wrap=True)
    server = Upstream(upstream, trust)
    with ThreadPoolExecutor(1) as pool:
        desk = ProxyDesk(server, _recording(record), clock=clock, pool=pool, script=answers, speaker=speaker)
        seat = Seat(_DEVICE, _SLOT, desk, events, Ledger(record / "ca-ledger.jsonl"))
        with _listener(host, port) as listener:
            place = f"http://{host}:{listener.getsockname()[1]}"
            console.print(Text(f"{place}{scep_path(_DEVICE, _SLOT)}, or any other path there, is now {upstream}"))
            asyncio.run(_serve(seat, listener, events, console))


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


def _read_answer(text: str) -> Answer:
    try:
        return read_answer(text)
    except ValueError as error:
        raise Misuse(str(error), key="--script", remedy="docs/scripts.md has the answers") from error


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Misuse(f"{text!r} is no address and port", key="--listen", remedy="for example 127.0.0.1:8080")
    return host, int(port)


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise LabFault("the proxy cannot start", tried=f"listen on {host}:{port}", seen=str(error)) from error


def _recording(folder: Path) -> Recording:
    try:
        return Recording(folder)
    except OSError as error:
        raise Misuse(f"cannot be written ({error})", file=folder, key="--record", remedy="name a folder of your own") from error


def _speaker(key: Path | None, certificate: Path | None) -> Speaker | None:
    if key is None and certificate is None:
        return None
    if key is None or certificate is None:
        raise Misuse("one without the other", key="--key and --certificate", remedy="give both, or neither")
    return load_key(key), _read_certificate(certificate)


def _read_certificate(file: Path) -> Certificate:
    try:
        return read_certificate(ssl.PEM_cert_to_DER_cert(file.read_text(encoding="ascii").strip()))
    except (OSError, ValueError, Malformed) as error:
        raise Misuse(f"no certificate can be read ({error})", file=file, key="--certificate", remedy="give one as PEM") from error
