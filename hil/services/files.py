"""The files that devices are offered, settings and images, each set under a URL directory of its device."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from hil.errors import Misuse
from hil.evidence import EventName
from hil.services.roster import Roster
from hil.services.stored import Stored
from hil.services.web import NOT_MODIFIED, Call, Reply, Served

Content = bytes | Path
"""What a file holds, or where it lies: then it is streamed from there, and may be asked for in parts."""


@dataclass(frozen=True)
class _Offer:
    root: str
    files: Mapping[str, bytes | Stored]

    def find(self, path: str) -> bytes | Stored | None:
        return self.files.get(path[len(self.root) :]) if path.startswith(self.root) else None


class FileShelf:
    """Files per device; devices may share a URL directory, and each then gets its own files from it."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lock = threading.Lock()
        self._offers: dict[str, _Offer] = {}
        self._open: WeakValueDictionary[tuple[Path, int, int], Stored] = WeakValueDictionary()

    def publish(self, device: str, root: str, files: Mapping[str, Content]) -> None:
        """Offer `files` (name to content) to `device` under the URL directory `root`, in place of its former set.

        `Misuse` where one that lies on disk cannot be read.
        """
        if not (root.startswith("/") and root.endswith("/")):
            raise Misuse(f"{root!r} is not a URL directory", key="root", remedy="begin and end it with a slash")
        with self._lock:
            held = {name: self._opened(content) if isinstance(content, Path) else content for name, content in files.items()}
            self._offers[device] = _Offer(root, held)

    def _opened(self, path: Path) -> Stored:
        """The file, opened once for all devices that are offered it as it is now."""
        try:
            state = path.stat()
        except OSError:
            return Stored(path)  # which says why it cannot be
        return self._open.setdefault((path.absolute(), state.st_mtime_ns, state.st_size), Stored(path))

    async def answer(self, call: Call) -> Served:
        """As `find`, for who awaits it."""
        return self.find(call)

    def find(self, call: Call) -> Served:
        """The file asked for, 404 where the device is not offered it, and for strays always 404."""
        if call.method not in ("GET", "HEAD"):
            reply = Reply.text(405, "files are read with GET or HEAD")
            return Served(reply, EventName.STRAY, details={"reason": "method"})
        with self._lock:
            device = self._roster.resident(call.address)
            offer = self._offers.get(device) if device else None
            content = offer.find(call.path) if offer else None
            offers = dict(self._offers) if content is None else {}
        if device is not None and content is not None:
            return _served(device, content, call)
        return self._search(offers, call)

    def _search(self, offers: Mapping[str, _Offer], call: Call) -> Served:
        """Whose file this is, where the one device that is known to be at the client's address has none."""
        found = {device: content for device, offer in offers.items() if (content := offer.find(call.path)) is not None}
        device = self._roster.owner(found or _closest(offers, call.path), call.address)
        if device is None:
            reason = "another's file" if found else "unknown client"
            return Served(Reply.text(404, "not found"), EventName.STRAY, details={"reason": reason})
        if device not in found:
            return Served(Reply.text(404, "not found"), EventName.FILE_MISSING, device)
        return _served(device, found[device], call)


def _served(device: str, content: bytes | Stored, call: Call) -> Served:
    if isinstance(content, bytes):
        return Served(Reply(200, "text/plain", content), EventName.FILE_SERVED, device)
    fields = (("Last-Modified", content.last_modified), ("ETag", content.etag), ("Accept-Ranges", "bytes"))
    kind = "application/octet-stream"
    if content.is_known(call.fields):
        return Served(Reply(NOT_MODIFIED, kind, fields=fields), EventName.FILE_SERVED, device)
    part = content.part(call.fields if call.method == "GET" else {})
    if part is None:
        told = (*fields, ("Content-Range", f"bytes */{content.size}"))
        return Served(Reply(416, "text/plain", b"the file ends before that\n", told), EventName.FILE_MISSING, device)
    if part.is_whole:
        return Served(Reply(200, kind, fields=fields, part=part), EventName.FILE_SERVED, device)
    told = (*fields, ("Content-Range", part.content_range))
    reply = Reply(206, kind, fields=told, part=part)
    return Served(reply, EventName.FILE_SERVED, device, details={"range": part.content_range})


def _closest(offers: Mapping[str, _Offer], path: str) -> list[str]:
    """Devices with the longest directory that `path` lies in."""
    inside = {device: offer.root for device, offer in offers.items() if path.startswith(offer.root)}
    longest = max(map(len, inside.values()), default=0)
    return [device for device, root in inside.items() if len(root) == longest]
