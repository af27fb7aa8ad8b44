"""The parameters this phone knows: default, accepted values, first firmware.

Source: Avaya's settings template of July 2022; the SCEP page of the J100 R4.1.x guide for key
lengths, its page "LDAP Directory configuration" for the directory. Key length 4096 is taken from
4.1 on. The default and range of REGISTERWAIT and the defaults of the directory's switches are this
phone's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hil.virtual.phone import zone
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.unit import Unit

Valid = Callable[[str], bool]

THREE_PROFILES = (4, 0, 13)
_LONG_KEYS = (4, 1)


@dataclass(frozen=True)
class Parameter:
    """Default value ("" is null), test for a valid value, firmware that first knows the name, the name that it is another of."""

    default: str
    valid: Valid
    since: tuple[int, ...] = ()
    stands_for: str = ""


def slotted(name: str, slot: int) -> str:
    """The name of a SCEP parameter for profile `slot`; the number of some stands in the middle."""
    if slot == 1:
        return name
    if name in ("SCEP_USAGE", "DELETE_SCEP_CERT"):
        head, tail = name.split("SCEP_")
        return f"{head}SCEP_{slot}_{tail}"
    return f"{name}_{slot}"


def known(unit: Unit, habits: Habits) -> dict[str, Parameter]:
    """All parameters by name; one that this firmware does not know keeps its default and takes no value."""
    table = {
        **_COMMON,
        **{
            slotted(name, slot): parameter if slot == 1 else replace(parameter, since=THREE_PROFILES)
            for slot in (1, 2, 3)
            for name, parameter in _profile_parameters(unit, habits).items()
        },
    }
    table |= {spelling: replace(table[name], stands_for=name) for spelling, name in habits.further_names.items()}
    return {
        name: each if unit.release >= each.since and name not in habits.ignored else replace(each, valid=_never)
        for name, each in table.items()
    }


class Settings:
    """The values in force: the file's before DHCP's before the defaults."""

    def __init__(self, parameters: Mapping[str, Parameter], from_dhcp: Mapping[str, str], from_file: Mapping[str, str]) -> None:
        self._parameters = parameters
        self.given: dict[str, str] = {}
        for source in (from_dhcp, from_file):
            taken = {name: value for name, value in source.items() if accepted(parameters, name, value)}
            self.given.update({parameters[name].stands_for or name: value for name, value in taken.items()})

    def __getitem__(self, name: str) -> str:
        """The value of `name`, its default where nobody gave one."""
        return self.given.get(name, self._parameters[name].default)

    def __contains__(self, name: str) -> bool:
        """Whether somebody gave `name` a value."""
        return name in self.given


def accepted(parameters: Mapping[str, Parameter], name: str, value: str) -> bool:
    """Whether the phone takes `SET name value`."""
    return name in parameters and value.isascii() and parameters[name].valid(value)


def _never(_value: str) -> bool:
    return False


def _text(shortest: int, longest: int) -> Valid:
    return lambda value: shortest <= len(value) <= longest


def _number(lowest: int, highest: int) -> Valid:
    return lambda value: value.isdecimal() and len(value) <= 6 and lowest <= int(value) <= highest


def _switch(value: str) -> bool:
    return value in ("0", "1")


def _directory(value: str) -> bool:
    return len(value) <= 127 and " " not in value


def _distinguished_name(value: str) -> bool:
    return value == "" or (value.startswith("/") and len(value) <= 255)


def _common_name(unit: Unit, habits: Habits) -> Valid:
    macros = habits.cn.meaning(unit)
    return lambda value: 8 <= len(value) <= 255 and (not habits.cn_needs_macro or any(macro in value for macro in macros))


def _profile_parameters(unit: Unit, habits: Habits) -> dict[str, Parameter]:
    lengths = habits.key_lengths if unit.release >= _LONG_KEYS else habits.key_lengths - {"4096"}
    return {
        "MYCERTURL": Parameter("", _text(0, 255)),
        "MYCERTCN": Parameter(habits.default_cn, _common_name(unit, habits)),
        "MYCERTDN": Parameter(habits.default_dn, _distinguished_name),
        "MYCERTCAID": Parameter(habits.default_ca_identifier, _text(0, 255)),
        "MYCERTKEYLEN": Parameter(habits.default_key_length, lambda value: value in lengths),
        "MYCERTRENEW": Parameter(habits.default_renew_percent, _number(*((0, 999) if habits.clamps_renew_percent else (1, 99)))),
        "SCEPPASSWORD": Parameter("$SERIALNO", _text(0, 32)),
        "SCEPENCALG": Parameter("0", _switch, (4, 0, 0)),
        "SCEP_ENTITY_CLASS": Parameter("", _text(0, 255), (4, 0, 4)),
        "SCEP_USAGE": Parameter(habits.default_usage, _text(0, 255), THREE_PROFILES),
        "DELETE_SCEP_CERT": Parameter("0", _switch, THREE_PROFILES),
    }


_COMMON = {
    "APPNAME": Parameter("", _text(0, 255)),
    "HTTPSRVR": Parameter("", _text(0, 255)),
    "HTTPPORT": Parameter("80", _number(1, 65535)),
    "HTTPDIR": Parameter("", _directory),
    "TLSSRVR": Parameter("", _text(0, 255)),
    "TLSPORT": Parameter("443", _number(1, 65535)),
    "TLSDIR": Parameter("", _directory),
    "TRUSTCERTS": Parameter("", _text(0, 255)),
    "TLSSRVRID": Parameter("1", _switch),
    "DELETE_MY_CERT": Parameter("0", _switch),
    "DOT1XSTAT": Parameter("0", _number(0, 2)),
    "DOT1XEAPS": Parameter("MD5", lambda value: value in ("MD5", "TLS", "PEAP")),
    "FORCE_DOT1XID_TLS": Parameter("$MACADDR", _text(1, 64), THREE_PROFILES),
    "DNSSRVR": Parameter("", _text(0, 255)),
    "ENABLE_AVAYA_ENVIRONMENT": Parameter("1", _switch),
    "ENABLE_3PCC_ENVIRONMENT": Parameter("1", _switch),
    "SNTPSRVR": Parameter("", _text(0, 255)),
    "GMTOFFSET": Parameter("0:00", zone.is_offset),
    "DSTOFFSET": Parameter("1", _number(0, 2)),
    "DSTSTART": Parameter("2SunMar2L", zone.is_change),
    "DSTSTOP": Parameter("1SunNov2L", zone.is_change),
    "SYSLOG_ENABLED": Parameter("0", _switch, (4, 0, 4)),
    "SYSLOG_LEVEL": Parameter("0", _number(0, 7), (4, 0, 4)),
    "LOGSRVR": Parameter("", _text(0, 255)),
    "LOGSRVR_SECURE": Parameter("0", _switch, (4, 0, 8)),
    "LOG_CATEGORY": Parameter("", _text(0, 255)),
    "SNMPSTRING": Parameter("", _text(0, 32)),
    "SNMPADD": Parameter("", _text(0, 255)),
    "SIP_CONTROLLER_LIST": Parameter("", _text(0, 255)),
    "SIPDOMAIN": Parameter("", _text(0, 255)),
    "FORCE_SIP_EXTENSION": Parameter("", _text(0, 255)),
    "REGISTERWAIT": Parameter("900", _number(30, 86400)),
    "3PCC_SERVER_MODE": Parameter("0", _number(0, 5)),
    "CONFIG_SERVER_SECURE_MODE": Parameter("1", _number(0, 2)),
    "XSI_URL": Parameter("", _text(0, 255)),
    "TPSLIST": Parameter("", _text(0, 255)),
    "SUBSCRIBELIST": Parameter("", _text(0, 255)),
    "DIRENABLED_PLATFORM": Parameter("0", _switch),
    "DIRSRVR": Parameter("", _text(0, 255)),
    "DIRSRVRPRT": Parameter("389", _number(1, 65535)),
    "DIRSECURE": Parameter("1", _number(0, 2)),
    "DIRTOPDN": Parameter("", _text(0, 255)),
}
