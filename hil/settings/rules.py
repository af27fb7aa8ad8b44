"""What a value must look like beyond its length: URL, distinguished name, list of services, and their like."""

from __future__ import annotations

import re

DN_TYPES = ("C", "ST", "L", "O", "OU", "CN", "DC", "emailAddress", "serialNumber")

SERVICES = frozenset({"SIP", "PROVISIONING", "8021X", "LDAP", "RINGCENTRAL", "PUSH", "PPM", "XSI", "SYSLOG", "ALL"})

_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/?#]+)(:[0-9]{1,5})?([/?#]\S*)?", re.IGNORECASE)
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,9})){1,20}")
_TIME_OFFSET = re.compile(r"[+-]?[0-9]{1,2}(:[0-5][0-9])?")
_CLOCK_CHANGE = re.compile(
    r"([1-4L](Sun|Mon|Tue|Wed|Thu|Fri|Sat)|[1-9]|[12][0-9]|3[01])"
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)([0-9]|1[0-9]|2[0-3])[LU]"
)


class NotADn(ValueError):
    """A text that is no distinguished name as MYCERTDN takes it; the message says why."""


def read_dn(text: str) -> tuple[tuple[str, str], ...]:
    """Attribute types and values of a name such as `/C=US/ST=NJ/O=Company`, in its order; `""` is the empty name.

    Raises `NotADn`. A component without `=`, an attribute type that is neither in `DN_TYPES` nor an
    OID, and a country that has not two letters are wrong by our own choice (`Decision.DN_PARTS`).
    """
    if not text:
        return ()
    if not text.startswith("/"):
        raise NotADn('must begin with "/"')
    parts = []
    for component in text[1:].split("/"):
        kind, equals, value = component.partition("=")
        if not equals or not value:
            raise NotADn(f"component {component!r} is not TYPE=value")
        if kind not in DN_TYPES and not _OID.fullmatch(kind):
            raise NotADn(f"attribute type {kind!r} is none of {', '.join(DN_TYPES)}")
        if kind == "C" and not re.fullmatch(r"[A-Za-z]{2}", value):
            raise NotADn(f"country {value!r} has not two letters")
        parts.append((kind, value))
    return tuple(parts)


def distinguished_name(value: str) -> str | None:
    """What is wrong with a MYCERTDN, or None."""
    try:
        read_dn(value)
    except NotADn as problem:
        return str(problem)
    return None


def web_url(value: str) -> str | None:
    """What is wrong with a MYCERTURL, or None; an IPv6 address stands in brackets."""
    return None if not value or _URL.fullmatch(value) else "must be a URL that begins with http:// or https://"


def services(value: str) -> str | None:
    """What is wrong with a list of services, or None.

    Documents spell two of them in two ways (8021X, 802.1x; RINGCENTRAL, Ring Central) and put
    blanks after commas; all are taken (`Decision.SERVICE_NAMES`).
    """
    for item in value.split(","):
        if service_name(item) not in SERVICES:
            return f"{item.strip()!r} is none of the services {', '.join(sorted(SERVICES))}"
    return None


def service_name(item: str) -> str:
    """The service that an entry of a list names, excluded or not, as `SERVICES` has it if it is one."""
    return re.sub(r"[ .]", "", item).removeprefix("!").upper()


def without_blanks(value: str) -> str | None:
    """What is wrong with a value that may hold no blanks, or None."""
    return "must hold no blanks" if " " in value else None


def time_offset(value: str) -> str | None:
    """What is wrong with an offset such as `-5:00`, or None."""
    return None if _TIME_OFFSET.fullmatch(value) else "must be hours and minutes such as -5:00"


def clock_change(value: str) -> str | None:
    """What is wrong with a day on which the clock is changed, or None.

    An ordinal and a weekday, or a day of the month, then month, hour, and L for local or U for universal time.
    """
    return None if _CLOCK_CHANGE.fullmatch(value) else "must be such as 2SunMar2L or 31Oct1U"
