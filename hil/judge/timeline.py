"""What phone and reference said in one boot, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hil.capture.transcript import Exchange, Fetch
from hil.judge.sitting import Boot, Sitting


@dataclass(frozen=True)
class Said:
    """A request of `device` and its answer: phone seconds since power-on, and the request's frame."""

    device: str
    slot: int | None
    label: str
    begin: float
    end: float
    frame: int


def timeline(sitting: Sitting, boot: Boot) -> tuple[Said, ...]:
    """Every SCEP exchange and file fetch of the boot that belongs to a device, the phone's first."""
    said = [_said(sitting, boot, exchange, *owner, _operation(exchange)) for exchange, owner in _exchanges(sitting, boot)]
    said += [
        _said(sitting, boot, fetch, device, None, fetch.path.rpartition("/")[2]) for fetch, device in _fetches(sitting, boot)
    ]
    return tuple(sorted(said, key=lambda one: (one.device, one.begin)))


def _exchanges(sitting: Sitting, boot: Boot) -> Iterator[tuple[Exchange, tuple[str, int]]]:
    for exchange in boot.transcript.exchanges:
        owner = sitting.owner(boot, exchange)
        if owner is not None:
            yield exchange, owner


def _fetches(sitting: Sitting, boot: Boot) -> Iterator[tuple[Fetch, str]]:
    for fetch in boot.transcript.fetches:
        speaker = sitting.speaker(boot, fetch)
        if speaker is not None:
            yield fetch, speaker


def _said(sitting: Sitting, boot: Boot, what: Exchange | Fetch, device: str, slot: int | None, label: str) -> Said:
    begin = boot.since_power_on(what.request_time, sitting.manifest)
    end = boot.since_power_on(what.reply_time, sitting.manifest) if what.reply_time else begin
    return Said(device, slot, label, begin, end, what.request_frame)


def _operation(exchange: Exchange) -> str:
    message = exchange.request
    return message.message_type.name if message is not None and message.message_type is not None else exchange.operation
