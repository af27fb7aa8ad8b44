"""The settings files that devices are offered, each set under a URL directory of its device."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hil.errors import Misuse
from hil.evidence import EventName
from hil.services.roster import Roster
from hil.services.web import Call, Reply, Served


@dataclass(frozen=True)
class _Offer:
    root: str
    files: Mapping[str, bytes]

    def find(self, path: str) -> bytes | None:
        return self.files.get(path[len(self.root) :]) if path.startswith(self.root) else None


class FileShelf:
    """Files per device; devices may share a URL directory, and each then gets its own files from it."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lock = threading.Lock()
        self._offers: dict[str, _Offer] = {}

    def publish(self, device: str, root: str, files: Mapping[str, bytes]) -> None:
        """Offer `files` (name to content) to `device` under the URL directory `root`, in place of its former set."""
        if not (root.startswith("/") and root.endswith("/")):
            raise Misuse(f"{root!r} is not a URL directory", key="root", remedy="begin and end it with a slash")
        with self._lock:
            self._offers[device] = _Offer(root, MappingProxyType(dict(files)))

    async def answer(self, call: Call) -> Served:
        """The file asked for, 404 where the device is not offered it, and for strays always 404."""
        if call.method not in ("GET", "HEAD"):
            reply = Reply.text(405, "files are read with GET or HEAD")
            return Served(reply, EventName.STRAY, details={"reason": "method"})
        with self._lock:
            offers = dict(self._offers)
        found = {device: body for device, offer in offers.items() if (body := offer.find(call.path)) is not None}
        device = self._roster.owner(found or _closest(offers, call.path), call.address)
        if device is None:
            reason = "another's file" if found else "unknown client"
            return Served(Reply.text(404, "not found"), EventName.STRAY, details={"reason": reason})
        if device not in found:
            return Served(Reply.text(404, "not found"), EventName.FILE_MISSING, device)
        return Served(Reply(200, "text/plain", found[device]), EventName.FILE_SERVED, device)


def _closest(offers: Mapping[str, _Offer], path: str) -> list[str]:
    """Devices with the longest directory that `path` lies in."""
    inside = {device: offer.root for device, offer in offers.items() if path.startswith(offer.root)}
    longest = max(map(len, inside.values()), default=0)
    return [device for device, root in inside.items() if len(root) == longest]
