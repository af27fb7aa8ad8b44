"""One power cycle as its capture shows it, and the time in which the phone was then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hil.capture.keylog import read_key_log
from hil.capture.transcript import TimeReply, Transcript, read_capture
from hil.evidence import BootManifest, SittingManifest
from hil.judge.keys import Keys
from hil.judge.unrecorded import not_captured


@dataclass(frozen=True)
class Boot:
    """One power cycle as its capture shows it."""

    manifest: BootManifest
    transcript: Transcript
    missing: tuple[str, ...] = ()
    """What passed on the wire and is not in the capture."""

    @classmethod
    def read(cls, folder: Path, boot: BootManifest, keys: Keys) -> Boot:
        """The boot of the sitting in `folder`, opened with the CA's `keys`."""
        secrets = read_key_log(folder / boot.keys) if boot.keys else {}
        transcript = read_capture(folder / boot.capture, keys=keys, key_log=secrets)
        return cls(boot, transcript, not_captured(folder, boot, transcript))

    def addresses(self, sitting: SittingManifest) -> frozenset[str]:
        """The IP addresses that the phone was leased, or the testbed's where the capture shows no lease."""
        leased = (lease.ip for lease in self.transcript.leases if lease.mac == sitting.mac)
        return frozenset(leased) or frozenset({sitting.address})

    def told_ahead(self, sitting: SittingManifest) -> timedelta | None:
        """How far ahead of the bench's time SNTP told the phone that it is, when it first did; None where it never did."""
        for reply in self._time_replies(sitting):
            return reply.transmit - sitting.phone_time(reply.time)
        return None

    def phone_time(self, capture_time: datetime, sitting: SittingManifest) -> datetime:
        """A capture's real time in phone time, as SNTP told the phone: by the last reply before, else by the first.

        Where there is none, it is the time in which bench and phone live; what the phone takes it for, nobody knows.
        """
        lived = sitting.phone_time(capture_time)
        replies = self._time_replies(sitting)
        for reply in (*(one for one in reversed(replies) if one.time <= capture_time), *replies[:1]):
            return reply.transmit + (lived - sitting.phone_time(reply.time))
        return lived

    def since_power_on(self, capture_time: datetime, sitting: SittingManifest) -> float:
        """Phone seconds from the power to a capture's real time, whatever the phone was told."""
        return (sitting.phone_time(capture_time) - self.manifest.power_on).total_seconds()

    def _time_replies(self, sitting: SittingManifest) -> tuple[TimeReply, ...]:
        """What time servers said to the phone, and to nobody else, in the order of the capture."""
        own = self.addresses(sitting)
        return tuple(reply for reply in self.transcript.time_replies if reply.client in own)
