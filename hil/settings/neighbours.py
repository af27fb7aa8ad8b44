"""Parameters without profiles that a bench sets around SCEP: clearing, trust, time, logs, SNMP, servers, firmware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hil.identity import Firmware, MacroPlace
from hil.settings.parameter import Parameter
from hil.settings.rules import clock_change, time_offset, without_blanks
from hil.settings.sources import DIRECTORY_PAGE, FIELD, SSON_PAGE, TEMPLATE

_SYSLOG_SINCE: Final = Firmware("4.0.4.0")
_OFF_ON: Final = {"0": "off", "1": "on"}
_SEVERITIES: Final = {str(level): name for level, name in enumerate(
    ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"))}  # fmt: skip


def _choice(
    name: str, default: str, choices: Mapping[str, str], meaning: str, source: str = TEMPLATE, *, since: Firmware | None = None
) -> Parameter:
    return Parameter(name, name, None, "choice", default, meaning, source, choices=choices, since=since)


def _number(name: str, default: str, low: int, high: int, meaning: str, source: str = TEMPLATE) -> Parameter:
    return Parameter(name, name, None, "number", default, meaning, source, low=low, high=high)


def _list(name: str, default: str, meaning: str, source: str = TEMPLATE) -> Parameter:
    return Parameter(name, name, None, "list", default, meaning, source, valid=without_blanks)


def _text(name: str, meaning: str, source: str = TEMPLATE, *, default: str = "", max_length: int = 255) -> Parameter:
    return Parameter(name, name, None, "text", default, meaning, source, max_length=max_length, valid=without_blanks)


def _clock_change(name: str, default: str, meaning: str) -> Parameter:
    return Parameter(name, name, None, "text", default, meaning, f"{TEMPLATE}; {FIELD}", valid=clock_change)


def _directory(name: str, meaning: str) -> Parameter:
    return Parameter(
        name, name, None, "text", "", meaning, f"{TEMPLATE}; {SSON_PAGE}",
        max_length=127, valid=without_blanks, macros=MacroPlace.DIRECTORY,
    )  # fmt: skip


NEIGHBOURS: Final = (
    _choice(
        "DELETE_MY_CERT", "0", {"0": "keep", "1": "delete an only identity certificate, and install none while the value is 1"},
        "whether the identity certificate is deleted",
    ),
    _choice(
        "DELETE_DES_CERT", "0", {"0": "keep", "1": "delete"}, "whether the certificate got by device enrolment is deleted",
        since=Firmware("4.0.13.0"),
    ),
    _choice("ENABLE_AVAYA_ENVIRONMENT", "1", {"0": "a third party's", "1": "Avaya Aura"}, "whose servers the phone works with"),
    _choice("ENABLE_3PCC_ENVIRONMENT", "1", _OFF_ON, "whether a third party controls the calls"),
    _choice("FIPS_ENABLED", "0", {"0": "any algorithm", "1": "FIPS-approved ones alone; SCEPENCALG must be 1"}, "FIPS mode"),
    _list("TRUSTCERTS", "", "PEM files or URLs of the certificates that the phone trusts"),
    _number("MAX_TRUSTCERTS", "6", 1, 10, "how many trusted certificates are kept"),
    _choice("ENABLE_PUBLIC_CA_CERTS", "0", _OFF_ON, "whether the built-in public CA certificates are trusted"),
    _choice("TLSSRVRID", "1", _OFF_ON, "whether a server's certificate must name the server (RFC 2818)"),
    _choice("TLS_VERSION", "0", {"0": "TLS 1.0 and 1.2", "1": "TLS 1.2 alone"}, "versions of TLS"),
    _choice("BLOCK_CERTIFICATE_WILDCARDS", "0", _OFF_ON, "whether wildcard certificates are refused", since=Firmware("4.0.0.0")),
    _choice("KEYUSAGE_REQUIRED", "0", _OFF_ON, "whether a certificate must carry a key usage", since=Firmware("4.0.0.0")),
    _number("SERVER_CERT_RECHECK_HOURS", "24", 0, 32767, "hours between checks of servers' certificates"),
    _number("CERT_WARNING_DAYS", "60", 0, 99, "days before a certificate's end from which the phone warns"),
    _text("HTTPPROXY", "proxy for SCEP over HTTP, host or host:port"),
    _list("HTTPEXCEPTIONDOMAINS", "", "domains for which the proxy is not used"),
    _list("HTTPSRVR", "", "file servers for HTTP", f"{TEMPLATE}; {SSON_PAGE}"),
    _number("HTTPPORT", "80", 0, 65535, "TCP port of the HTTP file servers"),
    _directory("HTTPDIR", "path on the HTTP file servers"),
    _list("TLSSRVR", "", "file servers for HTTPS", f"{TEMPLATE}; {SSON_PAGE}"),
    _number("TLSPORT", "443", 0, 65535, "TCP port of the HTTPS file servers"),
    _directory("TLSDIR", "path on the HTTPS file servers"),
    _text("APPNAME", "firmware file; without it no upgrade is tried", FIELD),
    _text("JEM24_APPNAME", "firmware file of the button module", FIELD),
    _list("SNTPSRVR", "0.avaya.pool.ntp.org,1.avaya.pool.ntp.org,2.avaya.pool.ntp.org,3.avaya.pool.ntp.org", "time servers"),
    _number("SNTP_SYNC_INTERVAL", "1440", 60, 2880, "minutes between questions for the time"),
    Parameter("GMTOFFSET", "GMTOFFSET", None, "text", "0:00", "offset from GMT, hours and minutes", TEMPLATE, valid=time_offset),
    _number("DSTOFFSET", "1", 0, 2, "hours added in daylight saving time"),
    _clock_change("DSTSTART", "2SunMar2L", "when daylight saving time begins"),
    _clock_change("DSTSTOP", "1SunNov2L", "when daylight saving time ends"),
    _choice("SYSLOG_ENABLED", "0", _OFF_ON, "whether syslog is sent", since=_SYSLOG_SINCE),
    _choice("SYSLOG_LEVEL", "0", _SEVERITIES, "least severe level that is sent", since=_SYSLOG_SINCE),
    _text("LOGSRVR", "syslog server, host or host:port"),
    _choice("LOGSRVR_SECURE", "0", {"0": "UDP", "1": "TLS (RFC 5425)"}, "how syslog is sent", since=Firmware("4.0.8.0")),
    _list("LOG_CATEGORY", "", "log categories; below error nothing is logged without one"),
    _choice("LOCAL_LOG_LEVEL", "3", _SEVERITIES, "least severe level that is kept on the phone"),
    _number("DES_STAT", "2", 0, 3, "device enrolment at the first boot; 0 is undone only by a reset to factory defaults"),
    _choice("ENABLE_OOD_RESET_NOTIFY", "0", _OFF_ON, "whether a SIP NOTIFY outside a dialog may restart the phone"),
    Parameter(
        "SNMPSTRING", "SNMPSTRING", None, "text", "", "SNMP community; SNMP is off while it is null", TEMPLATE,
        max_length=32, secret=True,
    ),
    _list("SNMPADD", "", "addresses from which SNMP is answered"),
    _list("SIP_CONTROLLER_LIST", "", "SIP servers, each host:port;transport=tls"),
    _text("FORCE_SIP_EXTENSION", "extension that registers without a person logging in"),
    _text("SIPDOMAIN", "SIP domain; without one it is the server's host"),
    _number("REGISTERWAIT", "900", 30, 86400, "seconds between registrations; the range is inferred"),
    _choice("DIRENABLED_PLATFORM", "0", _OFF_ON, "whether the LDAP directory is used", DIRECTORY_PAGE),
    _text("DIRSRVR", "LDAP server", DIRECTORY_PAGE),
    _number("DIRSRVRPRT", "389", 0, 65535, "TCP port of the LDAP server", DIRECTORY_PAGE),
    _choice(
        "DIRSECURE", "0", {"0": "TCP", "1": "TLS begun on a plain connection", "2": "TLS from the start"},
        "how the LDAP server is spoken to; that 1 and 2 differ so is inferred", DIRECTORY_PAGE,
    ),
    _text("DIRTOPDN", "where in the LDAP directory a search begins", DIRECTORY_PAGE),
    _list("TPSLIST", "", "trusted push servers; without one there is no push"),
    _list("SUBSCRIBELIST", "", "URLs at which the phone subscribes to push; of H.323 firmware, for SIP inferred"),
    _number("3PCC_SERVER_MODE", "0", 0, 9, "whose SIP server it is: 1 BroadSoft, 5 RingCentral"),
    _choice(
        "CONFIG_SERVER_SECURE_MODE", "1", {"0": "HTTP", "1": "HTTPS", "2": "HTTPS where SIP uses TLS"}, "how PPM is spoken to",
    ),
    _choice(
        "DOT1XSTAT", "0", {"0": "no supplicant", "1": "answers unicast EAPOL", "2": "answers multicast EAPOL too"},
        "whether the phone authenticates to its port by 802.1X",
    ),
    _choice("DOT1XEAPS", "MD5", {"MD5": "password", "TLS": "certificate", "PEAP": "MSCHAPv2"}, "EAP method of 802.1X"),
    Parameter(
        "FORCE_DOT1XID_TLS", "FORCE_DOT1XID_TLS", None, "text", "$MACADDR", "name presented by EAP-TLS", TEMPLATE,
        max_length=64, macros=MacroPlace.DOT1X, since=Firmware("4.0.13.0"),
    ),
    _text("XSI_URL", "URL of BroadSoft's Xtended Services Interface"),
)  # fmt: skip
"""Neighbours of the profiles' parameters."""
