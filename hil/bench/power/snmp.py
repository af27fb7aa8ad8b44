"""Power by SNMP: POWER-ETHERNET-MIB (RFC 3621) of a PoE switch, with read-back.

A port is (group, port) as the switch's vendor numbers them, not an ifIndex. Switching is a SET of
pethPsePortAdminEnable; what counts is what pethPsePortDetectionStatus says afterwards.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hil.bench.power import (
    Outlet,
    PowerNotApplied,
    PowerRefused,
    PowerSettings,
    PowerTimedOut,
    PowerUnreachable,
    PowerWay,
    Wiring,
)
from hil.bench.power.snmp_session import NoAnswer, Refusal, SnmpSession
from hil.clock import Clock
from hil.errors import Misuse
from hil.secret import Secret

ADMIN_ENABLE = "1.3.6.1.2.1.105.1.1.1.3"
DETECTION_STATUS = "1.3.6.1.2.1.105.1.1.1.6"
TRUE, FALSE = 1, 2


class Detection(IntEnum):
    """pethPsePortDetectionStatus, RFC 3621 section 4."""

    DISABLED = 1
    SEARCHING = 2
    DELIVERING_POWER = 3
    FAULT = 4
    TEST = 5
    OTHER_FAULT = 6

    def __str__(self) -> str:
        """The name that the MIB gives it, such as `deliveringPower`."""
        first, *rest = self.name.lower().split("_")
        return first + "".join(word.capitalize() for word in rest)


class SnmpSettings(PowerSettings):
    """A switch that is reached by SNMP; times are real seconds."""

    kind: Literal["snmp"]
    address: str = Field(description="name or address of the switch's management")
    port: Annotated[int, Field(ge=1, le=65535)] = 161
    version: Literal["v1", "v2c"] = "v2c"
    community_env: str | None = Field(default=None, description="environment variable that holds the write community")
    community_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    timeout: Annotated[float, Field(gt=0, le=60)] = Field(default=1.0, description="wait for one answer [real s]")
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    limit: Annotated[float, Field(gt=0, le=300)] = Field(
        default=20.0, description="power must follow the setting in this time [real s]"
    )
    poll: Annotated[float, Field(gt=0, le=10)] = Field(default=0.25, description="pause between two looks at the status [real s]")


class SnmpOutlet(Outlet):
    """pethPsePortGroupIndex and pethPsePortIndex."""

    group: Annotated[int, Field(ge=1, le=2147483647)] = 1
    port: Annotated[int, Field(ge=1, le=2147483647)]


class SnmpSwitch:
    """One switch; its ports share a session."""

    def __init__(self, settings: SnmpSettings, community: Secret, clock: Clock, off_time: float) -> None:
        self._settings = settings
        self._clock = clock
        self._off_time = off_time
        self._session = SnmpSession(
            settings.address, settings.port, settings.version, community, timeout=settings.timeout, retries=settings.retries
        )

    def port(self, outlet: Outlet, *, bench: str, phone: str) -> SnmpPort:
        if not isinstance(outlet, SnmpOutlet):
            raise TypeError(f"not an outlet of an SNMP switch: {outlet!r}")
        return SnmpPort(self._session, self._settings, outlet, self._clock, self._off_time, bench=bench, phone=phone)

    def close(self) -> None:
        self._session.close()


class SnmpPort:
    """A `PowerPort` of an SNMP switch."""

    def __init__(
        self,
        session: SnmpSession,
        settings: SnmpSettings,
        outlet: SnmpOutlet,
        clock: Clock,
        off_time: float,
        *,
        bench: str,
        phone: str,
    ) -> None:
        self._session = session
        self._settings = settings
        self._outlet = outlet
        self._clock = clock
        self._off_time = off_time
        self._bench = bench
        self._phone = phone
        self._last_off: datetime | None = None

    @property
    def label(self) -> str:
        return f"{self._settings.address} {self._outlet.group}.{self._outlet.port}"

    def on(self) -> None:
        if self._last_off is not None:
            self._pause(self._off_time - (self._clock.now() - self._last_off).total_seconds())
        self._switch(TRUE)

    def off(self) -> None:
        self._switch(FALSE)
        self._last_off = self._clock.now()

    def delivering(self) -> bool:
        return self._read("read the port's status")[1] == Detection.DELIVERING_POWER

    def _switch(self, wanted: int) -> None:
        tried = f"set pethPsePortAdminEnable to {'true' if wanted == TRUE else 'false'}"
        with self._faults(tried):
            self._session.set_integer(self._oid(ADMIN_ENABLE), wanted)
        admin, status = self._read(tried)
        start = self._clock.now()
        while not _is_as_asked(wanted, admin, status):
            if (self._clock.now() - start).total_seconds() >= self._settings.limit:
                raise self._not_as_asked(wanted, tried, admin, status)
            self._pause(self._settings.poll)
            admin, status = self._read(tried)

    def _not_as_asked(self, wanted: int, tried: str, admin: int, status: int) -> PowerNotApplied | PowerTimedOut:
        seen = f"AdminEnable {admin}, DetectionStatus {_status_name(status)} after {self._settings.limit:g} s"
        if admin != wanted:
            problem = "the switch answered that it set the port, and did not"
            return PowerNotApplied(problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=seen)
        problem = "the port is set, and its power did not follow"
        return PowerTimedOut(problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=seen)

    def _read(self, tried: str) -> tuple[int, int]:
        """AdminEnable and DetectionStatus, as integers."""
        with self._faults(tried):
            admin, status = self._session.get_integers(self._oid(ADMIN_ENABLE), self._oid(DETECTION_STATUS))
        return admin, status

    def _oid(self, column: str) -> str:
        return f"{column}.{self._outlet.group}.{self._outlet.port}"

    def _pause(self, span: float) -> None:
        if span > 0:
            self._clock.wait(threading.Event(), span)

    @contextlib.contextmanager
    def _faults(self, tried: str) -> Iterator[None]:
        """Turns what the session meets into a fault that names bench, phone and port."""
        try:
            yield
        except NoAnswer as error:
            problem = "the switch does not answer SNMP"
            raise PowerUnreachable(
                problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=str(error)
            ) from error
        except Refusal as error:
            problem = "the switch refused"
            raise PowerRefused(
                problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=str(error)
            ) from error


def _is_as_asked(wanted: int, admin: int, status: int) -> bool:
    """Whether the port's power is what was asked for.

    Vendors differ in what an off port shows (`disabled`, `searching`), so off is: set to false, and no voltage on the line.
    """
    if wanted == TRUE:
        return admin == TRUE and status == Detection.DELIVERING_POWER
    return admin == FALSE and status not in (Detection.DELIVERING_POWER, Detection.TEST)


def _status_name(status: int) -> str:
    return str(Detection(status) if status in set(Detection) else status)


def connect(settings: PowerSettings, wiring: Wiring) -> SnmpSwitch:
    """An `SnmpSwitch`; sends nothing yet. `Misuse` if the testbed says nowhere where the community is."""
    if not isinstance(settings, SnmpSettings):
        raise TypeError(f"not the settings of an SNMP switch: {settings!r}")
    community = _community(settings, wiring)
    return SnmpSwitch(settings, community, wiring.clock, wiring.off_time)


def _community(settings: SnmpSettings, wiring: Wiring) -> Secret:
    if settings.community_env and settings.community_file:
        raise Misuse("two places for one community", file=wiring.file, key="power.community_env", remedy="leave one out")
    if settings.community_env:
        text = os.environ.get(settings.community_env)
        if not text:
            problem = f"the environment has no {settings.community_env}"
            raise Misuse(problem, file=wiring.file, key="power.community_env", remedy=f"export {settings.community_env}")
        return Secret(text)
    if settings.community_file:
        return read_secret(Path(wiring.folder) / settings.community_file, named_by=f"{wiring.file}: power.community_file")
    if wiring.community is not None:
        return wiring.community
    raise Misuse(
        "no community", file=wiring.file, key="power", remedy="add community_env or community_file; it must not stand here"
    )


def read_secret(file: Path, *, named_by: str) -> Secret:
    """First line of a file that only its owner may read; `Misuse` if others may, or if it is empty or missing."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
        raise Misuse(problem, file=file, remedy=f"named by {named_by}") from error
    if mode & 0o077:
        raise Misuse(f"others may read this secret (mode {mode:03o})", file=file, remedy=f"chmod 600 {file}")
    if not text:
        raise Misuse("holds no secret", file=file, remedy=f"named by {named_by}")
    return Secret(text)


WAY = PowerWay(settings=SnmpSettings, outlet=SnmpOutlet, connect=connect)
