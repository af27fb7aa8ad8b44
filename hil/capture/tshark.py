"""A second opinion on a capture, by Wireshark's tshark through pyshark; for cross-checks, not for judgment.

It is slow, and sees SCEP as HTTP only: tshark has no dissector for SCEP's attributes. That is what makes it
worth asking: it shares no code with this package.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyshark

from hil.capture.exchange import path_of
from hil.capture.transcript import Exchange, Fetch, Transcript
from hil.errors import LabFault
from hil.scep.query import parameters

PATIENCE = 10.0
CUT_SHORT = "cut short"


class _Capture(pyshark.FileCapture):  # type: ignore[misc]  # pyshark has no types
    """Lets tshark end by itself.

    pyshark kills it when its output ends, which reaps the process behind asyncio's back now and then, and then
    takes that for a crash; and it takes a capture that ends within a packet for one.
    """

    complaint = ""

    async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
        try:
            code = await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            code = await process.wait()
        await asyncio.gather(*self._stderr_handling_tasks)
        said = self._last_error_line or ""
        if code and CUT_SHORT not in said:
            self.complaint = f"exit code {code}: {said}"


@dataclass(frozen=True)
class Seen:
    """An HTTP request and its final reply as tshark has them; `operation` is None where the query names none."""

    request_frame: int
    reply_frame: int | None
    method: str
    path: str
    operation: str | None
    status: int | None


def read_with_tshark(path: Path | str, *, ports: Collection[int] = ()) -> tuple[Seen, ...]:
    """All HTTP requests of a capture in the order of their frames; LabFault if tshark is missing or fails.

    `ports` are TCP ports where HTTP is to be expected although tshark may not guess it.
    """
    decode_as = {f"tcp.port=={port}": "http" for port in sorted(ports)}
    with _read(path, "http && tcp", decode_as=decode_as) as capture:
        return tuple(_pair(_messages(capture)))


def frames_that_acknowledge_lost_segments(path: Path | str) -> tuple[int, ...]:
    """Frames that, by tshark's own analysis, acknowledge what the capture did not show before them; LabFault as above.

    It speaks of directions alone of which something was captured.
    """
    with _read(path, "tcp.analysis.ack_lost_segment") as capture:
        return tuple(int(packet.number) for packet in capture)


@contextmanager
def _read(path: Path | str, display_filter: str, **options: object) -> Iterator[_Capture]:
    if shutil.which("tshark") is None:
        raise LabFault("there is no second opinion without tshark", tried="tshark", seen="not installed")
    loop = asyncio.new_event_loop()  # given, so that pyshark neither takes the caller's nor sets a child watcher
    try:
        with _Capture(
            str(path),
            display_filter=display_filter,
            keep_packets=False,
            eventloop=loop,
            override_prefs={"tcp.reassemble_out_of_order": "TRUE"},
            **options,
        ) as capture:
            yield capture
    finally:
        loop.close()
    if capture.complaint:
        raise LabFault("tshark failed", tried=f"tshark -r {path}", seen=capture.complaint)


def _messages(capture: _Capture) -> Iterator[tuple[int, dict[str, str]]]:
    for packet in capture:
        for layer in packet.layers:
            if layer.layer_name == "http":
                wanted = ("request_method", "request_uri", "response_code", "request_in")
                yield int(packet.number), {name: str(layer.get_field(name)) for name in wanted if layer.has_field(name)}


def _pair(messages: Iterator[tuple[int, dict[str, str]]]) -> list[Seen]:
    requests: list[tuple[int, dict[str, str]]] = []
    replies: dict[int, list[tuple[int, int]]] = {}
    for frame, fields in messages:
        if "request_method" in fields:
            requests.append((frame, fields))
        elif "response_code" in fields and "request_in" in fields and int(fields["response_code"]) >= 200:
            replies.setdefault(int(fields["request_in"]), []).append((frame, int(fields["response_code"])))
    seen = []
    for frame, fields in requests:
        target = fields.get("request_uri", "")
        waiting = replies.get(frame, [])
        reply_frame, status = waiting.pop(0) if waiting else (None, None)
        operation = parameters(target).get("operation")
        seen.append(Seen(frame, reply_frame, fields["request_method"], path_of(target), operation, status))
    return seen


def disagreements(transcript: Transcript, second: Collection[Seen]) -> tuple[str, ...]:
    """Each request that only one of the two readings has, or that they describe differently; empty where they agree."""
    entries: list[Exchange | Fetch] = [*transcript.exchanges, *transcript.fetches]
    ours = sorted(map(_ours, entries), key=_order)
    theirs = sorted(map(_folded, second), key=_order)
    return tuple(
        [f"only the transcript has {seen}" for seen in ours if seen not in theirs]
        + [f"only tshark has {seen}" for seen in theirs if seen not in ours]
    )


def _ours(entry: Exchange | Fetch) -> Seen:
    operation = entry.operation.lower() if isinstance(entry, Exchange) else None
    return Seen(entry.request_frame, entry.reply_frame, entry.method, entry.path, operation, entry.status)


def _folded(seen: Seen) -> Seen:
    operation = None if seen.operation is None else seen.operation.lower()
    return Seen(seen.request_frame, seen.reply_frame, seen.method, seen.path, operation, seen.status)


def _order(seen: Seen) -> tuple[int, str]:
    return seen.request_frame, seen.path
