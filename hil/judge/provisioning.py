"""How a device fetched its settings files: when, which, and with what of HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.capture.transcript import Fetch
from hil.judge.verdict import NotObserved

if TYPE_CHECKING:
    from hil.judge.seen import Where

CONDITIONAL = {"if-modified-since", "if-none-match"}


@dataclass(frozen=True)
class Fetched:
    """A file that the device asked for, the boot in which it did, and the phone seconds since that one's power-on."""

    fetch: Fetch
    boot: int
    where: Where
    since_power_on: float
    own: bool
    """Whether it was the device's own settings file, and it got it."""


@dataclass(frozen=True)
class ProvisioningFacts:
    """The files of one device in the boots of a sitting."""

    device: str
    fetched: Sequence[Fetched]

    @property
    def where(self) -> Where:
        return self._first_boot[0].where

    @property
    def settings_after_power_on(self) -> float:
        """Phone seconds from power-on to the request of the device's own settings file."""
        found = next((one.since_power_on for one in self._first_boot if one.own), None)
        if found is None:
            raise NotObserved(f"{self.device}: got no settings file of its own")
        return found

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files asked for in the first boot, in their order."""
        return tuple(one.fetch.path.rpartition("/")[2] for one in self._first_boot)

    @property
    def user_agent(self) -> str:
        return self._first_boot[0].fetch.user_agent or "none"

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the headers that its requests have, of those that are looked for."""
        return tuple(sorted({name for one in self._first_boot for name in one.fetch.headers}))

    @property
    def conditional(self) -> bool:
        """Whether, in a later boot, it asks only for what has changed since."""
        later = [one for one in self.fetched if one.boot > self._first_boot[0].boot]
        if not later:
            raise NotObserved(f"{self.device}: no later boot in which a file was asked for again")
        return any(CONDITIONAL & set(one.fetch.headers) for one in later)

    @property
    def _first_boot(self) -> Sequence[Fetched]:
        if not self.fetched:
            raise NotObserved(f"{self.device}: asked for no file")
        return [one for one in self.fetched if one.boot == self.fetched[0].boot]
