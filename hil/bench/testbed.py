"""The testbed: the YAML file that describes a bench, and nothing that has to be secret.

Reading a testbed touches no interface, no switch and no namespace. What a phone runs is observed,
so no firmware stands here, except for virtual phones, which have to be told which one to play.
"""

from __future__ import annotations

import difflib
import functools
import operator
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, SerializeAsAny, create_model, field_validator

from hil.bench.external import External
from hil.bench.kinds import find_kind
from hil.bench.labgrid import Labgrid
from hil.bench.network import Network
from hil.bench.park import Park
from hil.bench.phone_snmp import PhoneSnmp
from hil.bench.power import Outlet, PowerSettings, PowerWay
from hil.bench.power.ways import find_way, ways
from hil.bench.source import Source, parse_yaml, read_text
from hil.bench.strict import Asked, Strict, checked, nearest
from hil.bench.tap import Tap
from hil.errors import Misuse
from hil.identity import Firmware, Identity

Span = Annotated[float, Field(gt=0, le=10_000_000)]
SiteParameter = Annotated[str, Field(pattern=r"^(DES_STAT|L2Q|L2QVLAN|SIG|VLANTEST)$")]
SiteValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class Times(Strict):
    """How long things may take, in phone seconds; `off_time` in real seconds."""

    boot_limit: Span = Field(default=600, description="longest time to the settings, and from there to each answer [phone s]")
    quiet: Span = Field(default=30, description="a phone that asked for nothing this long has ended its boot [phone s]")
    settle: Span = Field(default=30, description="time for the phone to write its flash before power may go off [phone s]")
    off_time: Span = Field(default=5.0, description="shortest time without power, counted from the last off [real s]")
    longest: Span = Field(
        default=7200,
        description="longest time that a test may let pass, but on a virtual bench, whose time leaps [phone s]",
    )


class Ca(Strict):
    """Which CA answers the phones."""

    persona: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        default=None, description="CA that plays where a test names none (docs/scep.md); null: one that grants to whoever asks"
    )
    class_in: str | None = Field(
        default=None,
        description="where System Manager expects a phone's entity class (docs/system-manager.md); null: its password will do",
    )
    external: External | None = Field(
        default=None, description="a real CA that answers the phones, while references meet the bench's own; null: none"
    )


class VirtualPhone(Strict):
    """What a virtual phone plays; the spans are phone seconds."""

    firmware: str = Field(description="release that it plays, such as 4.1.3.0.6")
    boot_delay: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=20.0, description="time from power on to its first frame [phone s]"
    )
    variants: tuple[str, ...] = Field(default=(), description="behaviours of it that no document forbids, by name")
    defects: tuple[str, ...] = Field(default=(), description="wrong behaviours of it, by name")

    @field_validator("firmware")
    @classmethod
    def _release(cls, value: str) -> str:
        return _accepted(lambda: Firmware(value).text)


class Phone(Strict):
    """A device under test: its name on this bench, its identity, its address, its outlet."""

    name: Name = Field(description="what tests and reports call this phone")
    model: str = Field(description="model as its label says, such as J179 or J179D02A")
    mac: str = Field(description="MAC address of its Ethernet port, in quotes, such as 'C8:1F:EA:00:00:01'")
    serial: str = Field(description="serial number as its label says, in quotes")
    address: IPv4Address = Field(description="the address that DHCP gives this phone")
    reference: IPv4Address = Field(description="loopback address of the reference that plays beside this phone")
    power: SerializeAsAny[Outlet] = Field(description="the outlet it hangs on, as the way of power names outlets")
    authenticates: bool = Field(
        default=False,
        description="whether a real switch asks for 802.1X on this port; it must let the phone through all the same",
    )
    switch_port: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="the switch's own name (ifName) of the port that the outlet powers; null: the outlet's, where that is a name",
    )
    option_242: dict[SiteParameter, SiteValue] = Field(
        default_factory=dict, description="what `dhcp` tells this phone by option 242 beside where the bench serves"
    )
    requirements: tuple[str, ...] | None = Field(None, description="play only tests of these requirements; null: all")
    virtual: VirtualPhone | None = Field(default=None, description="what a virtual phone plays; null: a real phone")

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

    name: Name = Field(description="what reports and leases call this bench; its journal lies in a folder of that name")
    kind: str = Field(description="virtual, real, or a kind that an installed package brings")
    rate: Annotated[float, Field(gt=0, le=1000)] = Field(default=1.0, description="phone seconds in one real second")
    times: Times = Field(default=Times(), description="how long things may take")
    at_once: Annotated[int, Field(ge=1, le=200)] | None = Field(
        default=None, description="phones that may play at the same time, as the PC can bear; null: all"
    )
    network: Network = Field(description="the PC's own port on the bench, and where its servers listen")
    tap: Annotated[Tap | None, Asked()] = Field(
        default=None, description="machine that records what passes; null: this PC, at its own port"
    )
    park: Park | None = Field(default=None, description="what phones are told when no test has them, for `hil park`")
    ca: Ca = Field(default=Ca(), description="which CA answers the phones")
    labgrid: Labgrid | None = Field(default=None, description="the labgrid that hands out the phones; null: none does")
    power: SerializeAsAny[PowerSettings] = Field(description="the way the phones' power is switched")
    switch: SerializeAsAny[PowerSettings] | None = Field(
        default=None,
        description="how the switch is asked where the phones hang, by snmp, ssh or serial; null: as power is switched",
    )
    phone_snmp: PhoneSnmp | None = Field(default=None, description="how phones are asked by SNMP who they are; null: not at all")
    phones: Annotated[tuple[Phone, ...], Field(min_length=1, max_length=200)] = Field(
        description="the phones, each with its outlet"
    )
    _source: Source = PrivateAttr(default=Source(Path("testbed")))

    @property
    def file(self) -> Path:
        """The file this was read from; relative paths in it start at its folder."""
        return self._source.file

    @property
    def source(self) -> Source:
        """The same for `Misuse`, which then tells the line of the key as well."""
        return self._source

    @property
    def longest_wait(self) -> float | None:
        """Phone seconds that a test may let pass while its phone is on; None where time leaps, so that any will do."""
        return None if self.kind == "virtual" else self.times.longest

    def asks_8021x(self, phone: Phone) -> bool:
        """Whether the phone's port asks for 802.1X, or can be told to; a virtual switch does as it is told."""
        return self.network.radius is not None and (self.kind == "virtual" or phone.authenticates)

    def phone(self, name: str) -> Phone:
        """The phone called `name`; `Misuse` with the nearest name if there is none."""
        for phone in self.phones:
            if phone.name == name:
                return phone
        remedy = nearest(name, [phone.name for phone in self.phones])
        raise Misuse(f"has no phone {name!r}", file=self.source, key="phones", remedy=remedy)


def load(path: str | Path) -> Testbed:
    """Read and check a testbed.

    Raises `Misuse`, one line with file, line, key, value and remedy, for the first thing that is wrong.
    """
    file = Path(path)
    return parse(read_text(file), file)


def parse(text: str, file: Path) -> Testbed:
    """The testbed that `text` is; `file` is where it stands, or will."""
    raw, source = parse_yaml(text, file)
    _read_power(raw, source)
    testbed = checked(Testbed, raw, source=source)
    testbed._source = source
    find_kind(testbed.kind, file=source)
    _check_addresses(testbed)
    _check_unique(testbed)
    _check_kind(testbed)
    _check_pools(testbed)
    _check_outlets(testbed)
    return testbed


def schema() -> dict[str, Any]:
    """JSON schema of a testbed, for editors, with every way of power that is installed."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model_with(*ways().values()).model_json_schema()}


def model_with(*known: PowerWay) -> type[Testbed]:
    """`Testbed`, its `power` and outlets being those of one of these ways."""
    settings: Any = functools.reduce(operator.or_, (way.settings for way in known))
    outlet: Any = functools.reduce(operator.or_, (way.outlet for way in known))
    phone: Any = create_model("Phone", __base__=Phone, __doc__=Phone.__doc__, power=_narrowed(Phone, "power", outlet))
    power, phones = _narrowed(Testbed, "power", settings), _narrowed(Testbed, "phones", tuple[phone, ...])
    switch = (settings | None, Field(default=None, description=Testbed.model_fields["switch"].description))
    return create_model("Testbed", __base__=Testbed, __doc__=Testbed.__doc__, power=power, switch=switch, phones=phones)


def _narrowed(model: type[Strict], key: str, shape: Any) -> Any:
    """The field `key` of `model` with another shape, explained as before."""
    field = model.model_fields[key]
    return Annotated[shape, *field.metadata], Field(description=field.description)


def _read_power(raw: dict[str, Any], source: Source) -> None:
    """Give `power`, `switch` and each phone's `power` the models of their ways; other shapes are left to pydantic."""
    power, phones = raw.get("power"), raw.get("phones")
    if not isinstance(power, dict):
        return
    way = _way_of(power, source, "power")
    raw["power"] = checked(way.settings, power, source=source, at=("power",))
    if isinstance(switch := raw.get("switch"), dict):
        asked = _way_of(switch, source, "switch")
        raw["switch"] = checked(asked.settings, switch, source=source, at=("switch",))
    for index, phone in enumerate(phones if isinstance(phones, list) else ()):
        if isinstance(phone, dict) and isinstance(phone.get("power"), dict):
            phone["power"] = checked(way.outlet, phone["power"], source=source, at=("phones", index, "power"))


def _way_of(section: Mapping[str, Any], source: Source, key: str) -> PowerWay:
    misspelt = difflib.get_close_matches("kind", map(str, section), n=1)
    if "kind" not in section and misspelt:
        raise Misuse("unknown key", file=source, key=f"{key}.{misspelt[0]}", remedy="did you mean 'kind'?")
    return find_way(section.get("kind"), file=source, key=key)


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
    for key in ("name", "mac", "address", "reference", "power", "switch_port"):
        first: dict[object, int] = {}
        for index, phone in enumerate(testbed.phones):
            value = getattr(phone, key)
            owner = index if value is None else first.setdefault(value, index)
            if owner != index:
                problem = f"phones[{owner}] has {value} already"
                raise _wrong(testbed, f"phones[{index}].{key}", problem, "each phone needs its own")


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


def _check_pools(testbed: Testbed) -> None:
    known = [phone.name for phone in testbed.phones]
    for name in testbed.labgrid.pools if testbed.labgrid else ():
        if name not in known:
            raise _wrong(testbed, f"labgrid.pools.{name}", f"has no phone {name!r}", nearest(name, known))


def _check_outlets(testbed: Testbed) -> None:
    way = find_way(testbed.power.kind, file=testbed.source)
    for index, phone in enumerate(testbed.phones):
        try:
            way.check(testbed.power, phone.power)
        except Misuse as wrong:
            key = f"phones[{index}].power.{wrong.key}"
            raise Misuse(wrong.problem, file=testbed.source, key=key, remedy=wrong.remedy) from None


def _wrong(testbed: Testbed, key: str, problem: str, remedy: str) -> Misuse:
    return Misuse(problem, file=testbed.source, key=key, remedy=remedy)


def _accepted(make: Callable[[], str]) -> str:
    """What `make` returns; its `Misuse` becomes the `ValueError` that pydantic places in the file."""
    try:
        return make()
    except Misuse as error:
        raise ValueError(error.problem + (f", {error.remedy}" if error.remedy else "")) from None
