"""The settings files that one device is served in one boot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hil.campaign.plan import PlannedBoot, slot_name
from hil.campaign.services import TRUST_FILE, told_of
from hil.evidence import scep_path
from hil.identity import Firmware, Identity
from hil.scenario import HTTPS
from hil.secret import Secret
from hil.settings.profiles import Profile, profile_of
from hil.settings.writer import PHONE_FILE, SETTINGS_FILE, UPGRADE_FILE, phone_file_name, settings_file, upgrade_file

_NOTHING_DELETED = {"DELETE_MY_CERT": "0", "DELETE_SCEP_CERT": "0", "DELETE_SCEP_2_CERT": "0", "DELETE_SCEP_3_CERT": "0"}


DOCUMENTED = Firmware("4.1")
"""The release whose documents hold for a phone that does not tell its own."""


@dataclass(frozen=True)
class Server:
    """Where a device finds the bench: `host:port` of HTTP, and the host of SNTP, syslog and of services over TLS.

    `tls` has the ports of the latter, `trust` the PEM of the CA that certifies them, and `folder` is the URL directory of
    the device's files. `scep_ports` has the TCP port of SCEP of each slot that has its own. With `snmp` the device may be
    asked from `host` who it is, by that community. `told` has what a slot is told where no scenario says otherwise.
    """

    host: str
    http_port: int
    tls: Mapping[str, int] = field(default_factory=dict)
    trust: bytes = b""
    folder: str = ""
    scep_ports: Mapping[int, int] = field(default_factory=dict)
    snmp: Secret | None = None
    told: Mapping[int, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def scep_url(self, device: str, slot: int, scheme: str = "http:") -> str:
        """The one SCEP path that this device and slot have, in every boot of every night; one port speaks both schemes."""
        return f"{scheme}//{self.host}:{self.scep_ports.get(slot, self.http_port)}{scep_path(device, slot)}"


def clearing(firmware: Firmware | None) -> dict[str, str]:
    """What makes a phone delete every certificate it has by SCEP.

    Each numbered parameter came with the profiles; older firmware ignores those and has
    DELETE_MY_CERT, which also keeps any certificate out until it is 0 again. A firmware not seen yet
    is told both.
    """
    numbered = {name: "1" for name in _NOTHING_DELETED if name != "DELETE_MY_CERT"}
    if firmware is not None and firmware >= Firmware("4.0.13.0"):
        return _NOTHING_DELETED | numbered
    return _NOTHING_DELETED | numbered | {"DELETE_MY_CERT": "1"}


def boot_settings(boot: PlannedBoot, device: str, server: Server, firmware: Firmware | None) -> dict[str, str]:
    """Every parameter that `device` is told in `boot`, as its slots spell them."""
    if boot.kind == "clear":
        return clearing(firmware)
    values = dict(_NOTHING_DELETED)
    for slot, scenario in boot.scenarios:
        values[slot_name("MYCERTURL", slot)] = server.scep_url(device, slot)
        values |= {slot_name(name, slot): value for name, value in server.told.get(slot, {}).items()}
        values |= {slot_name(name, slot): value for name, value in scenario.settings}
        if scenario.setting("MYCERTURL") == HTTPS:
            values[slot_name("MYCERTURL", slot)] = server.scep_url(device, slot, HTTPS)
        values |= dict(scenario.common)
    return values


def asked_profiles(
    boots: Iterable[PlannedBoot], slot: int, device: str, identity: Identity, server: Server
) -> tuple[Profile, ...]:
    """What the documents make of profile `slot` in each of the boots, for a CA that has to know beforehand whom it serves."""
    told = (boot_settings(boot, device, server, DOCUMENTED) for boot in boots if slot in dict(boot.scenarios))
    found = (profile_of(values, slot, identity) for values in told)
    return tuple(dict.fromkeys(profile for profile in found if profile is not None))


def boot_files(
    boot: PlannedBoot, device: str, identity: Identity, server: Server, firmware: Firmware | None
) -> Mapping[str, bytes]:
    """The files of `device` in `boot`; a value that the phone is documented to ignore stands there only if a scenario asks."""
    asked = {slot_name(name, slot) for slot, scenario in boot.scenarios for name, _ in scenario.settings}
    asked |= {name for _, scenario in boot.scenarios for name, _ in scenario.common}
    services = tuple(dict.fromkeys(service for _, scenario in boot.scenarios for service in scenario.services))
    values = boot_settings(boot, device, server, firmware)
    return bench_files(values, identity, server, allow_ignored=asked, services=services)


def bench_files(
    values: Mapping[str, str],
    identity: Identity,
    server: Server,
    *,
    allow_ignored: Collection[str] = (),
    services: Collection[str] = (),
) -> Mapping[str, bytes]:
    """Name to content of the upgrade file, the settings file with the bench's own settings, and the phone's own file.

    With `services` to be told of over TLS, or anybody to trust, the bench's CA is a file more.
    """
    bench = {
        "SNTPSRVR": server.host,
        "SYSLOG_ENABLED": "1",
        "SYSLOG_LEVEL": "7",
        "LOGSRVR": server.host,
        "LOG_CATEGORY": "CERTMGMT,NETMGR",
        "DES_STAT": "1",
    }
    if server.snmp is not None:
        bench |= {"SNMPSTRING": server.snmp.reveal(), "SNMPADD": server.host}
    if services:
        bench |= told_of(services, server.host, server.tls, server.folder)
    trust = {TRUST_FILE: server.trust} if services or "TRUSTCERTS" in values else {}
    return trust | {
        UPGRADE_FILE: upgrade_file(),
        SETTINGS_FILE: settings_file(bench, then_get=PHONE_FILE),
        phone_file_name(identity): settings_file(values, allow_ignored=allow_ignored),
    }
