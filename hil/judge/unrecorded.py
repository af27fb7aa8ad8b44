"""What passed on the wire and is not in the capture of a boot, as a mirror loses it.

TCP tells of octets that are missing from a connection that was captured. Of one that was lost whole it tells nothing,
nor does UDP: a phone would be blamed for not asking, or held to a time that it was never told. But the bench's own
servers know what they were asked. Their log never speaks for or against a phone. It does speak against a capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.capture.acknowledged import missing_octets
from hil.capture.datagrams import NTP_PORT
from hil.capture.transcript import Transcript
from hil.evidence import BootManifest, EventName, read_events


def not_captured(folder: Path, boot: BootManifest, transcript: Transcript) -> tuple[str, ...]:
    """What a boot's capture lacks by the word of whoever received it, each with its place."""
    octets = missing_octets(folder / boot.capture)
    return (*map(str, octets), *unrecorded(read_events(folder / boot.events), transcript))


def unrecorded(events: Sequence[Mapping[str, Any]], transcript: Transcript) -> Iterator[str]:
    """What a boot's log has, from power on, and its capture lacks: requests of HTTP by their connection, of SNTP by address.

    Of what is asked over TLS a capture shows SCEP alone, and of SNTP what is asked at its own port.
    """
    begun = next((place for place, event in enumerate(events) if event["name"] == EventName.POWER_ON), len(events))
    captured = Counter([said.client for said in transcript.exchanges] + [said.client for said in transcript.fetches])
    captured.update(reply.client for reply in transcript.time_replies)
    logged: Counter[str] = Counter()
    for line, event in enumerate(events[begun:], begun + 1):
        told = _told(event)
        if told is None:
            continue
        client, did = told
        logged[client] += 1
        if logged[client] == captured[client] + 1:
            yield f"by line {line} of the event log {event['device']} {did}, and the capture does not show it"


def _told(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Who is known by an event to have been answered, as captures have it, and what it did; None where that is nobody."""
    details = event["details"]
    match event["name"]:
        case EventName.SCEP_REQUEST:
            return details["client"], f"was seen to send {details['operation'] or 'a request'} from {details['client']}"
        case EventName.FILE_SERVED | EventName.FILE_MISSING if "service" not in details:
            return details["client"], f"was seen to ask for {details['path']} from {details['client']}"
        # what a stranger is told is in no phone's capture
        case EventName.TIME_SERVED if event["device"] is not None and details.get("port") == int.from_bytes(NTP_PORT):
            address = details["client"].rpartition(":")[0]
            return address, f"was told the time at {address}"
    return None
