"""A phone by hand, for what no scenario can say: its power, its settings, and what the servers see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hil.bench.power import PowerPort, cycle
from hil.bench.testbed import Phone
from hil.campaign.render import bench_files
from hil.campaign.stage import Stage
from hil.evidence import EventName
from hil.identity import Firmware
from hil.services.events import Event


@dataclass(frozen=True)
class ByHand:
    """One phone, owned by one test; spans are phone seconds."""

    stage: Stage
    phone: Phone
    power: PowerPort
    firmware: Firmware | None

    def cycle(self) -> int:
        """Off and on again; returns the place in the event stream from which to wait."""
        cursor = self.stage.lab.events.cursor
        cycle(self.power)
        return cursor

    def settings(self, values: Mapping[str, str]) -> None:
        """What the phone reads at its next boot, by live name; `Misuse` for what it would ignore."""
        self.stage.lab.publish(self.phone.name, "/", bench_files(values, self.phone.identity, self.stage.server_of_phones))

    def scep_url(self, slot: int) -> str:
        """The one SCEP URL that this phone has for `slot`."""
        return self.stage.server_of_phones.scep_url(self.phone.name, slot)

    def wait(self, name: EventName, *, span: float, since: int, **details: object) -> Event | None:
        """The phone's first event of that name and with those details, None when `span` is over."""

        def wanted(event: Event) -> bool:
            same = event.name is name and event.device == self.phone.name
            return same and all(event.details.get(key) == value for key, value in details.items())

        return self.stage.lab.events.wait_for(wanted, span=span, cancel=self.stage.cancel, since=since)
