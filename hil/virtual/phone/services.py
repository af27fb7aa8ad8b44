"""Which services over TLS the settings tell the phone of, and where they are: no input, no output.

Source: settings template of July 2022; "LDAP Directory configuration" of the J100 R4.1.x guide. No
document gives an address for PPM, which is taken to be at the SIP controller, nor for Ring Central,
which is called by its public name; that DIRSECURE 2 is LDAP over TLS, and that a phone subscribes to
the servers of SUBSCRIBELIST, is this phone's habit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from hil.virtual.phone.habits import everywhere
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.unit import Unit

SCEP = "SCEP"
"""No service of SCEP_USAGE: its servers are shown no certificate."""

RING_CENTRAL = "platform.ringcentral.com"
_BROADSOFT, _CLOUD_OFFICE, _RING_CENTRAL = "1", "5", "4"
_LDAP_OVER_TLS = "2"
_CONTROLLER = re.compile(r"(?P<host>\[[^]]+\]|[^:;\s]+)(:(?P<port>\d{1,5}))?(;transport=(?P<transport>\w+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Service:
    """A server of the service `name`, as SCEP_USAGE names it; `path` is what HTTP asks there."""

    name: str
    host: str
    port: int
    path: str = "/"


def told(settings: Settings, unit: Unit) -> tuple[Service, ...]:
    """The services that the settings name, in the order in which the phone turns to them."""
    return (
        *_syslog(settings),
        *_provisioning(settings, unit),
        *_sip(settings),
        *_directory(settings),
        *_environment(settings),
        *_push(settings),
    )


def _syslog(settings: Settings) -> Iterator[Service]:
    host, _, port = settings["LOGSRVR"].partition(":")
    if host and settings["SYSLOG_ENABLED"] == settings["LOGSRVR_SECURE"] == "1":
        yield Service("SYSLOG", host, _port(port, 6514))


def _provisioning(settings: Settings, unit: Unit) -> Iterator[Service]:
    if host := settings["TLSSRVR"].split(",")[0].strip():
        yield Service("PROVISIONING", host, int(settings["TLSPORT"]), f"{folder(settings['TLSDIR'], unit)}46xxsettings.txt")


def _sip(settings: Settings) -> Iterator[Service]:
    """The first controller over TLS; nobody has logged in where no extension is set."""
    if not settings["FORCE_SIP_EXTENSION"]:
        return
    for entry in settings["SIP_CONTROLLER_LIST"].split(","):
        found = _CONTROLLER.fullmatch(entry.strip())
        if found and (found["transport"] or "tls").lower() == "tls":
            yield Service("SIP", found["host"].strip("[]"), _port(found["port"] or "", 5061))
            return


def _directory(settings: Settings) -> Iterator[Service]:
    host = settings["DIRSRVR"]
    if host and settings["DIRENABLED_PLATFORM"] == "1" and settings["DIRSECURE"] == _LDAP_OVER_TLS:
        yield Service("LDAP", host, int(settings["DIRSRVRPRT"]))


def _environment(settings: Settings) -> Iterator[Service]:
    """What goes with the call server: one of Avaya Aura, BroadSoft and Ring Central."""
    if settings["ENABLE_3PCC_ENVIRONMENT"] == "0":
        if settings["ENABLE_AVAYA_ENVIRONMENT"] == "1" and settings["CONFIG_SERVER_SECURE_MODE"] != "0":
            yield from (Service("PPM", sip.host, 443, "/axis/services/PPM") for sip in _sip(settings))
    elif settings["3PCC_SERVER_MODE"] == _BROADSOFT:
        yield from _web("XSI", settings["XSI_URL"])
    elif settings["3PCC_SERVER_MODE"] in (_RING_CENTRAL, _CLOUD_OFFICE):
        yield Service("RINGCENTRAL", RING_CENTRAL, 443, "/restapi/v1.0/status")


def _push(settings: Settings) -> Iterator[Service]:
    if settings["TPSLIST"]:
        yield from _web("PUSH", settings["SUBSCRIBELIST"].split(",")[0].strip())


def _web(name: str, url: str) -> Iterator[Service]:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return
    if parts.scheme == "https" and parts.hostname:
        yield Service(name, parts.hostname, port, parts.path or "/")


def folder(path: str, unit: Unit) -> str:
    """HTTPDIR or TLSDIR as a path from "/" to "/", its macros expanded from firmware 4.0.4.0 on."""
    known = {"$MACADDR": unit.mac_digits.upper(), "$SERIALNO": unit.serial.upper(), "$MODEL4": unit.model4}
    inner = everywhere(path, known if unit.release >= (4, 0, 4) else {}).strip("/")
    return f"/{inner}/" if inner else "/"


def _port(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else default
