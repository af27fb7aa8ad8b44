"""`hil proxy`: a recording proxy before a SCEP server, which plays a script's answers."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from hil.asn1 import Malformed
from hil.capture.keys import load_key
from hil.cli.foreground import listening, read_script, serve
from hil.cli.naming import named
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scep.certificate import Certificate, read_certificate
from hil.services.events import EventStream
from hil.services.ledger import Ledger
from hil.services.proxy import ProxyDesk
from hil.services.recording import Recording
from hil.services.relay import Speaker
from hil.services.scep import Seat
from hil.services.upstream import Upstream


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
    answers, speaker, clock = read_script(script), _speaker(key, certificate), ScaledClock()
    events = EventStream(clock)
    with listening(listen) as listener, ThreadPoolExecutor(1) as pool, closing(Ledger(record / "ca-ledger.jsonl")) as ledger:
        with named(upstream="UPSTREAM-URL", trust="--trust", answers="--script", speaker="--key and --certificate"):
            server = Upstream(upstream, trust)
            desk = ProxyDesk(server, _recording(record), clock=clock, pool=pool, script=answers, speaker=speaker)
        serve(Seat("proxy", 1, desk, events, ledger), listener, events, upstream)


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
