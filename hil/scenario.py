"""What one profile is told, how the CA answers it, and what happens meanwhile: frozen data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

FailInfo = Literal["badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"]


@dataclass(frozen=True)
class Issue:
    """The CA grants the request: validity in days, notBefore that many days before the instant of issue."""

    days: float = 365.0
    backdated: float = 0.0


@dataclass(frozen=True)
class Pend:
    """The CA answers PENDING to the request and to `times - 1` polls after it; its next answer follows in the script."""

    times: int = 1


@dataclass(frozen=True)
class Reject:
    """The CA answers FAILURE with this failInfo (RFC 8894 section 3.2.1.4)."""

    fail_info: FailInfo = "badRequest"


Answer = Issue | Pend | Reject


@dataclass(frozen=True)
class Restart:
    """Power off once the profile is settled, and on again with the same settings."""


@dataclass(frozen=True)
class ChangeSettings:
    """Restart with these settings laid over the scenario's own."""

    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PassTime:
    """Let `span` seconds of phone time pass with the power on."""

    span: float


Step = Restart | ChangeSettings | PassTime


def _shown(name: str, value: str) -> str:
    """A setting as it may be shown: a password is hidden unless it is empty or a macro alone, which tells nothing."""
    hidden = ("PASS" in name or name == "SNMPSTRING") and value not in ("", "$SERIALNO", "$MACADDR", "$MACADDR_UPPER")
    return f"{name}=<secret>" if hidden else f"{name}={value}" if value else f'{name}=""'


def _told(step: Step) -> str:
    match step:
        case Restart():
            return "then restart"
        case PassTime(span):
            return f"then {span:g} s pass"
        case ChangeSettings(settings):
            return f"then restart with {' '.join(_shown(name, value) for name, value in settings)}"


@dataclass(frozen=True, repr=False)
class Scenario:
    """One profile's story on one device.

    `settings` name parameters as profile 1 spells them; the planner writes them for the slot in
    which the scenario sits. The URL is the slot's own unless `MYCERTURL` is given. `slot` pins the
    scenario. The k-th entry of `ca` answers the k-th request, its last one all that follow.
    `mates` are scenarios of other slots that must share every boot with this one. One that is
    `alone` shares its boots with no other scenario.
    """

    settings: tuple[tuple[str, str], ...] = ()
    common: tuple[tuple[str, str], ...] = ()
    slot: int | None = None
    ca: tuple[Answer, ...] = (Issue(),)
    steps: tuple[Step, ...] = ()
    alone: bool = False
    mates: tuple[Scenario, ...] = field(default=())

    def __repr__(self) -> str:
        return f"<scenario {self.text}>"

    def setting(self, name: str) -> str | None:
        """The value the scenario gives to `name`, spelled as for profile 1, or None where it gives none."""
        return dict(self.settings).get(name)

    @property
    def has_url(self) -> bool:
        """Whether the profile is told a SCEP server."""
        return self.setting("MYCERTURL") != ""

    @property
    def enrols(self) -> bool:
        """Whether an unattended phone that keeps to the documents asks for a certificate.

        A profile whose challenge password is empty waits for a person, and one whose certificate is
        being deleted takes no other (J100 template, SCEPPASSWORD and DELETE_SCEP_CERT).
        """
        return self.has_url and self.setting("SCEPPASSWORD") != "" and not self.deletes

    @property
    def deletes(self) -> bool:
        """Whether the profile's certificate is deleted."""
        return self.setting("DELETE_SCEP_CERT") == "1"

    @property
    def text(self) -> str:
        """The scenario in one line, as reports and progress show it."""
        words = [_shown(name, value) for name, value in (*self.settings, *self.common)]
        words += [repr(answer) for answer in self.ca if answer != Issue()]
        words += [_told(step) for step in self.steps]
        words += [f"slot {self.slot}"] if self.slot else []
        words += [f"with ({mate.text})" for mate in self.mates]
        return " ".join(words) or "defaults"

    @property
    def key(self) -> str:
        """What tells this scenario from every other, the same in each run."""
        mates = tuple(mate.key for mate in self.mates)
        told = (self.settings, self.common, self.slot, self.ca, self.steps, self.alone, mates)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
