"""The TLS connections of a device to the bench's services: certificates by the event log, proven by the capture.

Where TLS lets the certificate be seen, both must name the same one. An event without a client's address, such as that of
802.1X, has the log alone for its proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hil.capture.tls import TlsConnection
from hil.evidence import EventName
from hil.judge.seen import Where
from hil.judge.verdict import Inconclusive

Event = Mapping[str, Any]
PhoneTime = Callable[[datetime], datetime]

_LATE = timedelta(seconds=1)
"""Real time by which an event's clock may lag behind the capture's, on one and the same PC."""


@dataclass(frozen=True)
class Connection:
    """A connection whose handshake was completed; instants in phone time.

    `serial` is that of the client's certificate in hex, None without one. `heard` are the records of application data that
    the device sent, `ended` is when either side closed it and whether that was the device; None where the boot's end did.
    """

    service: str
    boot: int
    began: datetime
    serial: str | None
    where: Where
    heard: tuple[Where, ...] = ()
    ended: tuple[Where, bool] | None = None


def connections(
    events: Sequence[Event],
    captured: Sequence[TlsConnection],
    device: str,
    *,
    boot: int,
    files: tuple[str, str],
    phone_time: PhoneTime,
) -> Iterator[Connection]:
    """The device's connections in a boot; `files` are the names of its capture and its event log.

    Raises `Inconclusive` where the capture lacks one that the log has, or contradicts it.
    """
    capture, log = files
    for line, event in enumerate(events, 1):
        details = event["details"]
        if event["name"] != EventName.TLS_HANDSHAKE or event["device"] != device or "failure" in details:
            continue
        if details["service"] == "SCEP":  # no certificate is due there
            continue
        service, serial, client = details["service"], details.get("serial"), details.get("client")
        at, real = datetime.fromisoformat(event["at"]), datetime.fromisoformat(event["real"])
        if client is None:
            yield Connection(service, boot, at, serial, Where(log, None, at, line))
            continue
        seen = _of(captured, (client, details["server"]), real)
        if seen is None:
            raise Inconclusive(f"{capture} has no connection from {client} that {log} line {line} tells of")
        shown = f"{seen.certificate.serial:x}" if seen.certificate else None
        if not seen.sealed and shown != serial:
            raise Inconclusive(f"{capture} frame {seen.frame}: {client} showed {shown}, but {log} line {line} says {serial}")
        closing: Event = next((e["details"] for e in events[line:] if _closes(e, client, service)), {})
        yield _connection(service, boot, serial, seen, capture, phone_time, by_device=bool(closing.get("by_client")))


def _closes(event: Event, client: str, service: str) -> bool:
    details = event["details"]
    return event["name"] == EventName.TLS_CLOSED and (details["client"], details["service"]) == (client, service)


def _of(captured: Sequence[TlsConnection], ends: tuple[str, str], real: datetime) -> TlsConnection | None:
    """The last connection between these ends, client and server, that had begun by then."""
    begun = (one for one in captured if (one.client, one.server) == ends and one.time <= real + _LATE)
    return max(begun, key=lambda one: one.time, default=None)


def _connection(
    service: str, boot: int, serial: str | None, seen: TlsConnection, capture: str, phone_time: PhoneTime, *, by_device: bool
) -> Connection:
    def where(frame: int, time: datetime) -> Where:
        return Where(capture, frame, phone_time(time))

    ended = seen.ended
    return Connection(
        service,
        boot,
        phone_time(seen.time),
        serial,
        where(seen.certificate_frame or seen.frame, seen.time),
        tuple(where(record.frame, record.time) for record in seen.records if record.from_client),
        (where(ended.frame, ended.time), by_device) if ended else None,
    )
