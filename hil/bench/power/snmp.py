"""Power by SNMP: POWER-ETHERNET-MIB (RFC 3621) of a PoE switch, with read-back.

A port is (group, port) as the switch's vendor numbers them, not an ifIndex. Switching is a SET of
pethPsePortAdminEnable; what counts is what pethPsePortDetectionStatus says afterwards. SNMPv3 users are those of RFC 3414.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field

from hil.bench.power import Outlet, PowerSettings, PowerWay, Wiring
from hil.bench.power.readback import Line, LineSwitch, Reading
from hil.bench.power.snmp_session import Authentication, Community, SnmpSession, User
from hil.bench.secrets import given_secret
from hil.bench.strict import Asked, Strict
from hil.errors import Misuse
from hil.secret import Secret

ADMIN_ENABLE = "1.3.6.1.2.1.105.1.1.1.3"
DETECTION_STATUS = "1.3.6.1.2.1.105.1.1.1.6"
TRUE, FALSE = 1, 2

SHORTEST_PASSPHRASE = 8
"""Characters, RFC 3414 section 11.2."""


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


class Meter(Strict):
    """A column that holds the power measured at each port, indexed as pethPsePortTable is: by group and port."""

    oid: Annotated[str, Field(pattern=r"^\d+(\.\d+)+$", description="OID of the column, without group and port")]
    unit: Literal["milliwatts", "deciwatts", "watts"] = Field(default="milliwatts", description="what it counts in")


METERS = {
    "cisco": Meter(oid="1.3.6.1.4.1.9.9.402.1.2.1.9"),
    "extreme-ers": Meter(oid="1.3.6.1.4.1.45.5.8.1.1.1.7"),
    "hp": Meter(oid="1.3.6.1.4.1.11.2.14.11.1.9.1.1.1.8"),
}
"""cpeExtPsePortPwrConsumption of CISCO-POWER-ETHERNET-EXT-MIB; bspePethPsePortExtMeasuredPower of BAY-STACK-PETH-EXT-MIB;
hpicfPoePethPsePortActualPower of HP-ICF-POE-MIB (ArubaOS-Switch and AOS-CX). RFC 3621 itself measures groups, not ports."""

_COMMUNITY, _V3 = Asked("version", ("v1", "v2c")), Asked("version", ("v3",))
_UNITS = {"milliwatts": 0.001, "deciwatts": 0.1, "watts": 1.0}


class SnmpSettings(PowerSettings):
    """A switch that is reached by SNMP; times are real seconds."""

    kind: Literal["snmp"] = Field(description="a PoE switch by SNMP")
    address: str = Field(description="name or address of the switch's management")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=161, description="UDP port of its agent")
    version: Annotated[Literal["v1", "v2c", "v3"], Asked()] = Field(
        default="v2c", description="version of SNMP; v3 alone keeps its secrets"
    )
    community_env: Annotated[str | None, _COMMUNITY] = Field(
        default=None, description="environment variable that holds the write community"
    )
    community_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    user: Annotated[str | None, _V3] = Field(default=None, description="v3: name of the user, who may write")
    authentication: Annotated[Authentication, _V3] = Field(default="SHA-256", description="v3: how messages are authenticated")
    authentication_env: Annotated[str | None, _V3] = Field(
        default=None, description="v3: environment variable that holds the passphrase for that"
    )
    authentication_file: str | None = Field(default=None, description="v3: file of mode 600 that holds it, relative to this one")
    privacy: Annotated[Literal["AES", "none"], _V3] = Field(default="AES", description="v3: how messages are enciphered")
    privacy_env: Annotated[str | None, Asked("privacy", ("AES",))] = Field(
        default=None, description="v3: environment variable that holds the passphrase for that"
    )
    privacy_file: str | None = Field(default=None, description="v3: file of mode 600 that holds it, relative to this one")
    meter: Literal["cisco", "extreme-ers", "hp"] | Meter | None = Field(
        default=None, description="where the switch tells the power at each port: a vendor's column, or any other"
    )
    timeout: Annotated[float, Field(gt=0, le=60)] = Field(default=1.0, description="wait for one answer [real s]")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(default=2, description="how often what got no answer is asked again")


class SnmpOutlet(Outlet):
    """pethPsePortGroupIndex and pethPsePortIndex."""

    group: Annotated[int, Field(ge=1, le=2147483647), Asked()] = Field(
        default=1, description="pethPsePortGroupIndex, such as the unit in a stack"
    )
    port: Annotated[int, Field(ge=1, le=2147483647)] = Field(description="pethPsePortIndex, as the vendor numbers the ports")


class SnmpLine(Line):
    """A PSE port of the MIB."""

    def __init__(self, session: SnmpSession, address: str, outlet: SnmpOutlet, meter: Meter | None) -> None:
        self._session = session
        self._address = address
        self._outlet = outlet
        self._meter = meter

    @property
    def label(self) -> str:
        return f"{self._address} {self._outlet.group}.{self._outlet.port}"

    def asking(self, on: bool) -> str:
        return f"set pethPsePortAdminEnable to {'true' if on else 'false'}"

    def set(self, on: bool) -> None:
        self._session.set_integer(self._oid(ADMIN_ENABLE), TRUE if on else FALSE)

    def read(self) -> Reading:
        # Vendors differ in what an off port shows (disabled, searching), so off is: set to false, and no voltage on the line.
        admin, status = self._session.get_integers(self._oid(ADMIN_ENABLE), self._oid(DETECTION_STATUS))
        delivering = status in ((Detection.DELIVERING_POWER,) if admin == TRUE else (Detection.DELIVERING_POWER, Detection.TEST))
        return Reading(admin == TRUE, delivering, f"AdminEnable {admin}, DetectionStatus {_status_name(status)}")

    def watts(self) -> float | None:
        if self._meter is None:
            return None
        (value,) = self._session.get_integers(self._oid(self._meter.oid))
        return value * _UNITS[self._meter.unit]

    def _oid(self, column: str) -> str:
        return f"{column}.{self._outlet.group}.{self._outlet.port}"


def _status_name(status: int) -> str:
    return str(Detection(status) if status in set(Detection) else status)


def connect(settings: PowerSettings, wiring: Wiring) -> LineSwitch:
    """A switch reached by SNMP; sends nothing yet. `Misuse` if the testbed says nowhere where the community is."""
    if not isinstance(settings, SnmpSettings):
        raise TypeError(f"not the settings of an SNMP switch: {settings!r}")
    session = snmp_session(settings, wiring)
    meter = METERS[settings.meter] if isinstance(settings.meter, str) else settings.meter

    def line_of(outlet: Outlet) -> SnmpLine:
        if not isinstance(outlet, SnmpOutlet):
            raise TypeError(f"not an outlet of an SNMP switch: {outlet!r}")
        return SnmpLine(session, settings.address, outlet, meter)

    return LineSwitch(settings.address, settings, wiring, line_of, session.close)


def snmp_session(settings: SnmpSettings, wiring: Wiring, *, timeout: float | None = None) -> SnmpSession:
    """A session with the switch's agent; sends nothing yet. `timeout` takes the place of the settings'.

    `Misuse` if the testbed says nowhere where its secrets are.
    """
    access = _access(settings, wiring)
    return SnmpSession(settings.address, settings.port, access, timeout=timeout or settings.timeout, retries=settings.retries)


def _access(settings: SnmpSettings, wiring: Wiring) -> Community | User:
    if settings.version != "v3":
        return Community(settings.version, _secret("community", settings, wiring))
    if settings.user is None:
        raise Misuse("is missing", file=wiring.file, key=f"{wiring.key}.user", remedy="name the user of SNMPv3")
    key = _passphrase("authentication", settings, wiring)
    privacy = None if settings.privacy == "none" else _passphrase("privacy", settings, wiring)
    return User(settings.user, settings.authentication, key, privacy)


def _passphrase(what: str, settings: SnmpSettings, wiring: Wiring) -> Secret:
    passphrase = _secret(what, settings, wiring)
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        problem = f"is shorter than {SHORTEST_PASSPHRASE} characters"
        raise Misuse(problem, file=wiring.file, key=f"{wiring.key}.{what}", remedy="SNMPv3 takes none so short")
    return passphrase


def _secret(what: str, settings: SnmpSettings, wiring: Wiring) -> Secret:
    env, file = getattr(settings, f"{what}_env"), getattr(settings, f"{what}_file")
    given = given_secret(what, env=env, file=file, folder=wiring.folder, testbed=wiring.file, key=wiring.key)
    given = given or wiring.word
    if given is None:
        remedy = f"add {what}_env or {what}_file; it must not stand here"
        raise Misuse(f"no {what}", file=wiring.file, key=wiring.key, remedy=remedy)
    return given


WAY = PowerWay(settings=SnmpSettings, outlet=SnmpOutlet, connect=connect)
