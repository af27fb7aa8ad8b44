"""What is seen and heard at the bench's wire: the recorder's rights and losses, both directions, who gives addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from hil.campaign import addressing
from hil.campaign.recording import recorder_on
from hil.capture.acknowledged import missing_octets
from hil.capture.marker import NEAREST_BRIDGE
from hil.capture.recorder import CaptureSummary, Recorder, Recording, Source
from hil.capture.transcript import read_capture
from hil.doctor.examining import Ill, Untold
from hil.doctor.visit import Visit
from hil.settings.writer import phone_file_name

FRAMES, OCTETS = 10_000, 1_000
"""The load: ten megabytes at once, which is more than a hundred phones say and hear in a boot."""
_ETHERTYPE = 0x88B6  # IEEE 802, local experimental, and not the recorder's own


def capture(visit: Visit) -> str:
    """That this user may record where phones are heard, proven by markers from the first packet to the last."""
    phone = visit.testbed.phones[0]
    summary = _recorded(recorder_on(visit.bench)(phone, visit.folder / "rights.pcapng"))
    return f"{' and '.join(source.interface for source in summary.sources)} by {summary.tool}"


def load(visit: Visit) -> str:
    """That the recorder keeps up: a burst of frames, sent to the nearest bridge, which passes them on to nobody."""
    if visit.testbed.tap is not None:
        raise Untold("the tap records; what it drops stands in each capture, and what its mirror loses in the acknowledgements")
    source = Source(visit.bench.capture_interface, f"ether proto {_ETHERTYPE:#06x}")
    summary = _recorded(Recorder([source], visit.folder / "load.pcapng"), burst=source.interface)
    if summary.packets < FRAMES:
        raise Ill(f"{FRAMES - summary.packets} of {FRAMES} frames sent at once are not in the capture")
    return f"{FRAMES} frames at once, none lost"


def _recorded(recorder: Recording, burst: str | None = None) -> CaptureSummary:
    recorder.start()
    try:
        if burst is not None:
            _send(burst)
    finally:
        summary = recorder.stop()
    if not summary.complete:
        raise Ill("; ".join(summary.problems))
    return summary


def _send(interface: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        own: bytes = wire.getsockname()[4][:6]
        frame = NEAREST_BRIDGE + own.ljust(6, b"\0") + _ETHERTYPE.to_bytes(2, "big") + bytes(OCTETS)
        for _ in range(FRAMES):
            wire.send(frame)


def dhcp(visit: Visit) -> str:
    """That phones get their addresses from one server, and from it what they need."""
    seen = addressing.ask(visit.testbed, patience=visit.patience.dhcp)
    if found := addressing.problems(visit.testbed, seen):
        raise Ill("; ".join(found))
    servers = {offer.server for offers in seen.offers.values() for offer in offers}
    return f"{', '.join(sorted(servers))} serves as it should" if servers else "nobody else gives addresses"


def mirror(visit: Visit) -> str:
    """That what a phone says and what it is told was both recorded, with nothing acknowledged that no frame shows."""
    problems = [
        f"{phone.name}: {problem}"
        for phone in visit.testbed.phones
        if (summary := visit.recorded.get(phone.name))
        for problem in (*summary.problems, *_one_sided(summary.file, f"/{phone_file_name(phone.identity)}"))
    ]
    if problems:
        raise Ill("; ".join(problems))
    return f"both directions of {len(visit.recorded)} phones, nothing missing"


def _one_sided(file: Path, own: str) -> Iterator[str]:
    """What a capture of a boot lacks, in which a phone read `own` (URL path)."""
    missing = missing_octets(file)
    yield from map(str, missing[:1])
    fetched = [fetch for fetch in read_capture(file).fetches if fetch.path == own]
    if not missing and not any(fetch.reply_frame for fetch in fetched):
        yield f"it read {own}, and {'no answer to that' if fetched else 'nothing of it'} was captured"
