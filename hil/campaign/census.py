"""What the census makes sure of before anything is judged: that a phone hangs where its testbed says, and is the one it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from hil.bench.bench import Bench
from hil.bench.tables import Tables
from hil.bench.tables.reading import can_tell
from hil.bench.testbed import Phone
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import Event
from hil.wiring.remembering import remember
from hil.wiring.sayings import Said, by_http
from hil.wiring.verifying import seated

_HOLDS = 60.0
"""Real seconds for which a phone's row is believed: nobody changes cables as quickly."""
_AGAIN = 5.0
"""Real seconds after which the switch is asked again for a phone that it did not know: with many phones a reading takes long."""


class PlaceChecker:
    """Holds phones of an opened bench against its testbed."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._reading = threading.Lock()
        self._tables: Tables | None = None
        self._read_at = 0.0

    def __call__(self, phone: Phone, user_agent: str | None) -> None:
        """Raise `LabFault` where the switch, or what the phone says of itself, contradicts the testbed; keep what it said.

        What the switch does not tell contradicts nothing: `hil wiring` is for that.
        """
        if user_agent is not None:
            remember(self._bench.state, phone, user_agent, datetime.now(UTC))
        found = seated(self._bench, phone, self._seen(phone.mac))
        if found.contradicted:
            problems = (f"{problem.fault}: {problem.seen}; {problem.remedy}" for problem in found.problems)
            raise LabFault(
                "the phone is not where, or not what, the testbed says: " + "; ".join(problems),
                bench=self._bench.testbed.name,
                phone=phone.name,
                port=found.place.outlet,
                tried="ask the switch and the phone",
            )

    def _seen(self, mac: str) -> Tables:
        """What the switch, where there is one to ask, knows of that phone; read for all phones that it knows at once."""
        testbed = self._bench.testbed
        if not can_tell(testbed.switch or testbed.power):
            return Tables()
        with self._reading:
            age = time.monotonic() - self._read_at
            known = self._tables is not None and any(each.mac == mac for each in self._tables.neighbours)
            if self._tables is None or age > (_HOLDS if known else _AGAIN):
                self._tables, self._read_at = self._bench.tables(), time.monotonic()
            return self._tables


def first_agent(events: Iterable[Event], phone: str) -> tuple[str, Said] | None:
    """The User-Agent of the phone's first file request that is a J100's, and what it says."""
    for event in events:
        if event.device == phone and event.name is EventName.FILE_SERVED:
            agent = str(event.details.get("user_agent"))
            if said := by_http(agent, "file request"):
                return agent, said
    return None
