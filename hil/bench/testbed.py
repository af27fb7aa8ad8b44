"""The testbed: the YAML file that describes a bench, and nothing that has to be secret.

Reading a testbed touches no interface, no switch and no namespace. What a phone runs is observed,
so no firmware stands here, except for virtual phones, which have to be told which one to play.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, SerializeAsAny, create_model, field_validator

from hil.bench.power import Outlet, PowerSettings
from hil.bench.power.ways import find_way, ways
from hil.bench.strict import Strict, checked, nearest, read_yaml
from hil.errors import Misuse
from hil.identity import Firmware, Identity

Port = Annotated[int, Field(ge=1, le=65535)]
Span = Annotated[float, Field(gt=0, le=10_000_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class Times(Strict):
    """How long things may take, in phone seconds; `off_time` in real seconds."""

    boot_limit: Span = Field(default=600, description="longest time to the settings, and from there to each answer [phone s]")
    quiet: Span = Field(default=30, description="a phone that asked for nothing this long has ended its boot [phone s]")
    settle: Span = Field(default=30, description="time for the phone to write its flash before power may go off [phone s]")
    off_time: Span = Field(default=5.0, description="shortest time without power, counted from the last off [real s]")


class Network(Strict):
    """The PC's own port on the bench and the ports its servers listen on."""

    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
    address: IPv4Address = Field(description="the PC's address on that interface")
    prefix: Annotated[int, Field(ge=8, le=30)] = 24
    http_port: Port = 80
    sntp_port: Port | None = Field(default=123, description="null: the bench serves no time")
    syslog_port: Port | None = Field(default=514, description="null: the bench takes no syslog")
    dhcp: bool = Field(default=True, description="whether the bench gives the phones their addresses; false: somebody else does")

    @property
    def subnet(self) -> IPv4Network:
        """The network that phones and PC share."""
        return IPv4Network((int(self.address), self.prefix), strict=False)


class VirtualPhone(Strict):
    """What a virtual phone plays; the spans are phone seconds."""

    firmware: str
    boot_delay: Annotated[float, Field(ge=0, le=3600)] = 20.0
    variants: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()

    @field_validator("firmware")
    @classmethod
    def _release(cls, value: str) -> str:
        return _accepted(lambda: Firmware(value).text)


class Phone(Strict):
    """A device under test: its name on this bench, its identity, its address, its outlet."""

    name: Name
    model: str
    mac: str
    serial: str
    address: IPv4Address = Field(description="the address that DHCP gives this phone")
    reference: IPv4Address = Field(description="loopback address of the reference that plays beside this phone")
    power: SerializeAsAny[Outlet]
    requirements: tuple[str, ...] | None = Field(None, description="play only tests of these requirements; null: all")
    virtual: VirtualPhone | None = None

    @field_validator("model")
    @classmethod
    def _model(cls, value: str) -> str:
        return _accepted(lambda: Identity(value, "000000000000", "0").model)

    @field_validator("mac")
    @classmethod
    def _mac(cls, value: str) -> str:
        return _accepted(lambda: Identity("J179", value, "0").mac)

    @field_validator("serial")
    @classmethod
    def _serial(cls, value: str) -> str:
        return _accepted(lambda: Identity("J179", "000000000000", value).serial)

    @property
    def identity(self) -> Identity:
        """Model, MAC (lower case, colons) and serial number."""
        return Identity(self.model, self.mac, self.serial)


class Testbed(Strict):
    """A bench as its file describes it."""

    __test__ = False  # its name begins as pytest's test classes do

    name: Name
    kind: str = Field(description="virtual, real, or a kind that an installed package brings")
    rate: Annotated[float, Field(gt=0, le=1000)] = Field(default=1.0, description="phone seconds in one real second")
    times: Times = Times()
    network: Network
    power: SerializeAsAny[PowerSettings]
    phones: Annotated[tuple[Phone, ...], Field(min_length=1, max_length=200)]
    _file: Path = PrivateAttr(default=Path("testbed"))

    @property
    def file(self) -> Path:
        """The file this was read from, for messages and for paths relative to it."""
        return self._file

    def phone(self, name: str) -> Phone:
        """The phone called `name`; `Misuse` with the nearest name if there is none."""
        for phone in self.phones:
            if phone.name == name:
                return phone
        raise Misuse(f"has no phone {name!r}", file=self.file, remedy=nearest(name, [phone.name for phone in self.phones]))


def load(path: str | Path) -> Testbed:
    """Read and check a testbed.

    Raises `Misuse`, one line with file, key, value and remedy, for the first thing that is wrong.
    """
    file = Path(path)
    raw = read_yaml(file)
    _read_power(raw, file)
    testbed = checked(Testbed, raw, file=file)
    testbed._file = file
    _check_addresses(testbed)
    _check_unique(testbed)
    _check_kind(testbed)
    return testbed


def schema() -> dict[str, Any]:
    """JSON schema of a testbed, for editors, with every way of power that is installed."""
    known = ways().values()
    settings: Any = functools.reduce(operator.or_, (way.settings for way in known))
    outlet: Any = functools.reduce(operator.or_, (way.outlet for way in known))
    phone: Any = create_model("Phone", __base__=Phone, power=(outlet, ...))
    whole = create_model("Testbed", __base__=Testbed, power=(settings, ...), phones=(tuple[phone, ...], ...))
    return whole.model_json_schema()


def _read_power(raw: dict[str, Any], file: Path) -> None:
    """Give `power` and each phone's `power` the models of the way that `power.kind` names; other shapes are left to pydantic."""
    power, phones = raw.get("power"), raw.get("phones")
    if not isinstance(power, dict):
        return
    way = find_way(power.get("kind"), file=file)
    raw["power"] = checked(way.settings, power, file=file, at=("power",))
    for index, phone in enumerate(phones if isinstance(phones, list) else ()):
        if isinstance(phone, dict) and isinstance(phone.get("power"), dict):
            phone["power"] = checked(way.outlet, phone["power"], file=file, at=("phones", index, "power"))


def _check_addresses(testbed: Testbed) -> None:
    network = testbed.network
    inside = [(f"phones[{index}].address", phone.address) for index, phone in enumerate(testbed.phones)]
    for key, address in inside:
        if address not in network.subnet:
            raise _wrong(testbed, key, f"{address} is outside the bench's network", f"choose one in {network.subnet}")
        if address == network.address:
            raise _wrong(testbed, key, f"{address} is the PC's own address", "choose another")
    for index, phone in enumerate(testbed.phones):
        if not phone.reference.is_loopback:
            problem = f"{phone.reference} is not a loopback address"
            raise _wrong(testbed, f"phones[{index}].reference", problem, f"for example 127.77.{index + 1}.1")


def _check_unique(testbed: Testbed) -> None:
    columns: dict[str, Iterable[object]] = {
        "name": [phone.name for phone in testbed.phones],
        "mac": [phone.mac for phone in testbed.phones],
        "address": [phone.address for phone in testbed.phones],
        "reference": [phone.reference for phone in testbed.phones],
        "power": [phone.power for phone in testbed.phones],
    }
    for key, values in columns.items():
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            raise _wrong(testbed, f"phones.{key}", f"{value} belongs to {times} phones", "each phone needs its own")


def _check_kind(testbed: Testbed) -> None:
    virtual = testbed.kind == "virtual"
    if not virtual and testbed.rate != 1:
        raise _wrong(testbed, "rate", f"a bench of kind {testbed.kind} cannot run at {testbed.rate:g}", "leave it out")
    for index, phone in enumerate(testbed.phones):
        key = f"phones[{index}].virtual"
        if virtual and phone.virtual is None:
            raise _wrong(testbed, key, "is missing", "a virtual phone is told its firmware here")
        if not virtual and phone.virtual is not None:
            raise _wrong(testbed, key, "only a virtual phone is told what it plays", "leave it out: firmware is observed")


def _wrong(testbed: Testbed, key: str, problem: str, remedy: str) -> Misuse:
    return Misuse(problem, file=testbed.file, key=key, remedy=remedy)


def _accepted(make: Callable[[], str]) -> str:
    """What `make` returns; its `Misuse` becomes the `ValueError` that pydantic places in the file."""
    try:
        return make()
    except Misuse as error:
        raise ValueError(error.problem + (f", {error.remedy}" if error.remedy else "")) from None
