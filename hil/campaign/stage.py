"""What a sitting is played on: the opened bench, its servers, and the folder that takes the evidence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hil.bench.bench import Bench
from hil.bench.testbed import Phone, Times
from hil.campaign.cast import Cast
from hil.campaign.render import Server
from hil.capture.recorder import Recording
from hil.identity import Firmware
from hil.reference.device import ReferencePhone
from hil.secret import Secret
from hil.services.lab import Lab

RecorderFactory = Callable[[Phone, Path], Recording]
PlaceCheck = Callable[[Phone, str | None], None]
"""Raises `LabFault` where a phone, whose User-Agent is given, is not where, or not what, the testbed says."""

ReferenceFactory = Callable[["Stage", Phone, Firmware], ReferencePhone]


@dataclass(frozen=True)
class Status:
    """What a phone's campaign is doing, since when (real time), and how many sittings of how many are done."""

    text: str
    since: datetime
    done: int
    total: int


@dataclass(frozen=True)
class Radius:
    """The bench's RADIUS server, as a reference on loopback asks it."""

    port: int
    secret: Secret


@dataclass(frozen=True)
class Stage:
    """Everything that the phones of a campaign share."""

    bench: Bench
    lab: Lab
    cast: Cast
    evidence: Path
    times: Times
    server_of_phones: Server
    recorder: RecorderFactory
    reference: ReferenceFactory
    cancel: threading.Event
    radius: Radius | None = None
    check_place: PlaceCheck = lambda _phone, _user_agent: None
