"""What a phone makes of an offer, read from what it asks the bench's servers for.

A phone asks for its upgrade file, then for the image that this names, writes it, restarts, asks for the upgrade file once
more, and goes on to its settings (J100 guides, Phone File Requests). Every request names the release that asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hil.campaign.play import firmware_in
from hil.evidence import EventName
from hil.identity import Firmware, Identity
from hil.services.events import Event
from hil.settings.writer import UPGRADE_FILE, phone_file_name

_RANGE = re.compile(r"bytes \d+-(?P<last>\d+)/(?P<size>\d+)")


class Result(StrEnum):
    """What became of an offer."""

    INSTALLED = "installed"
    ALREADY = "had it already"
    NOT_TAKEN = "went on with what it had, and asked for no image"
    OTHER = "restarted, and came back as something else"
    NOT_UP = "came back, and did not get as far as its settings"
    NOT_BACK = "was offered it, and was not seen back"
    UNSEEN = "asked for nothing"

    @property
    def done(self) -> bool:
        """Whether the phone runs what it was offered."""
        return self in (Result.INSTALLED, Result.ALREADY)


@dataclass
class Watch:
    """One phone's way through an upgrade; told every event, it says where the phone is.

    `first` is the release that asked first, `now` the one that asked last for the upgrade file.
    """

    phone: str
    identity: Identity
    images: Collection[str]
    first: Firmware | None = None
    now: Firmware | None = None
    asked: bool = False
    """It asked for an image."""
    fetched: bool = False
    """All of an image left for it."""
    back: datetime | None = None
    """When it asked for its upgrade file again after that for an image: it has restarted."""
    up: bool = False
    """It read its own settings since it last asked for the upgrade file."""
    last: datetime | None = None
    """When it last asked for anything."""
    agent: str | None = None
    """The User-Agent of its last request for the upgrade file."""
    stranger: str | None = None
    """The model that it calls itself, where that is another than the testbed's."""

    def result(self, target: Firmware) -> Result:
        """What became of the offer of `target`, where nothing more is waited for."""
        if self.now is None:  # who asks for files and does not say which release it is may have taken the offer
            return Result.UNSEEN if self.last is None else Result.NOT_BACK
        if self.now == target and self.up:
            return Result.INSTALLED if self.asked or self.first != target else Result.ALREADY
        if self.back is not None:
            return Result.OTHER if self.up else Result.NOT_UP
        return Result.NOT_TAKEN if self.up and not self.asked else Result.NOT_BACK

    @property
    def writes(self) -> bool:
        """Whether it asked for an image and was not seen since: it may be writing its flash."""
        return self.asked and not self.up and self.back is None

    def settled(self, target: Firmware) -> bool:
        """Whether what became of it is seen already, whatever else the phone may do."""
        return self.up and (self.now == target or self.back is not None)

    def see(self, event: Event) -> str | None:
        """Take an event; what there is to tell of it."""
        path = str(event.details.get("path"))
        if event.device != self.phone or event.name not in (EventName.FILE_SERVED, EventName.FILE_MISSING):
            return None
        self.last = event.at
        said = firmware_in(str(event.details.get("user_agent")))
        release = said[1] if said else None
        if said and said[0] != self.identity.model4:
            self.stranger = said[0]
        if path == f"/{UPGRADE_FILE}" and release is not None:
            self.agent = str(event.details.get("user_agent"))
            return self._begins(release, event.at)
        if path.lstrip("/") in self.images and event.name is EventName.FILE_SERVED:
            return self._fetches(event, path)
        if path == f"/{phone_file_name(self.identity)}" and self.now is not None and release == self.now and not self.up:
            self.up = True
            return f"{release} has read its settings"
        return None

    def _begins(self, release: Firmware, at: datetime) -> str:
        self.first = self.first or release
        self.now = release
        self.up = False
        if self.asked:
            self.back = self.back or at
            return f"back as {release}"
        return f"{release} asks for its files"

    def _fetches(self, event: Event, path: str) -> str | None:
        self.asked, self.up, self.back = True, False, None
        if not event.details.get("sent"):
            return f"{path[1:]} was cut short"
        part = _RANGE.fullmatch(str(event.details.get("range", "")))
        if part is not None and int(part["last"]) + 1 < int(part["size"]):
            return None
        self.fetched = True
        return f"{path[1:]} is fetched"
