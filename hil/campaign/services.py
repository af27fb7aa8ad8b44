"""How a device is told where the bench offers services over TLS: parameters of settings files, for J100 SIP firmware.

Sources: Avaya's settings template of July 2022; for LDAP the R4.1.x guide, LDAP Directory configuration. For PPM no
document gives an address: phones ask the SIP server's host, at the port of HTTPS. Ring Central they ask at the same port,
where a DNS server sends them for its public host name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hil.settings.usage import EVERY_SERVICE, PUBLIC_HOSTS

TRUST_FILE = "bench-ca.pem"
"""What the bench's CA is served as, over plain HTTP."""

EXTENSION = "1001"

WITHOUT_ADDRESS = "8021X"
"""The service that a phone is at before it has an address: at its port, which asks from the second boot on."""

_ENVIRONMENT: Mapping[str, dict[str, str]] = {
    "PPM": {"ENABLE_3PCC_ENVIRONMENT": "0", "ENABLE_AVAYA_ENVIRONMENT": "1", "CONFIG_SERVER_SECURE_MODE": "1"},
    "XSI": {"ENABLE_3PCC_ENVIRONMENT": "1", "3PCC_SERVER_MODE": "1"},
    "RINGCENTRAL": {"ENABLE_3PCC_ENVIRONMENT": "1", "3PCC_SERVER_MODE": "5"},
}
"""Whose SIP server it is, of which there is one at a time."""


def why_not_told(services: Collection[str]) -> str | None:
    """Why no phone can be told of all these services at once, None where it can."""
    unknown = next((service for service in services if service not in EVERY_SERVICE), None)
    if unknown is not None:
        return f"there is no service {unknown!r}; there are {', '.join(sorted(EVERY_SERVICE))}"
    houses = [service for service in _ENVIRONMENT if service in services]
    if len(houses) > 1:
        return f"{' and '.join(houses)} belong to SIP servers of different houses, of which a phone has one"
    if "PPM" in services and "SIP" not in services:
        return "PPM is at the SIP server's host, so it needs SIP"
    return None


def why_not_offered(services: Collection[str]) -> str:
    """Why a bench that lacks these services cannot show a scenario."""
    reason = f"this bench does not offer {', '.join(services)}"
    host = next((PUBLIC_HOSTS[service] for service in services if service in PUBLIC_HOSTS), None)
    if host is None:
        return reason
    return f"{reason}; it needs a port in network.tls, and a DNS server that sends phones to it for {host}"


def told_of(services: Iterable[str], host: str, ports: Mapping[str, int], folder: str) -> dict[str, str]:
    """The parameters that tell a device of `services` on `host`; its own files are in the URL directory `folder`."""
    found = {"TRUSTCERTS": TRUST_FILE}
    for service in services:
        found |= _ENVIRONMENT.get(service, {}) | _address(service, host, ports.get(service, 0), folder)
    return found


def _address(service: str, host: str, port: int, folder: str) -> dict[str, str]:
    match service:
        case "SIP":
            return {"SIP_CONTROLLER_LIST": f"{host}:{port};transport=tls", "FORCE_SIP_EXTENSION": EXTENSION}
        case "PROVISIONING":
            return {"TLSSRVR": host, "TLSPORT": str(port), "TLSDIR": folder}
        case "LDAP":
            return {
                "DIRENABLED_PLATFORM": "1", "DIRSRVR": host, "DIRSRVRPRT": str(port), "DIRSECURE": "2", "DIRTOPDN": "dc=lab",
            }  # fmt: skip
        case "SYSLOG":
            return {"LOGSRVR": f"{host}:{port}", "LOGSRVR_SECURE": "1"}
        case "PUSH":
            return {"TPSLIST": host, "SUBSCRIBELIST": f"https://{host}:{port}/subscribe"}
        case "8021X":
            return {"DOT1XSTAT": "1", "DOT1XEAPS": "TLS"}
        case "XSI":
            return {"XSI_URL": f"https://{host}:{port}"}
        case _:
            return {}
