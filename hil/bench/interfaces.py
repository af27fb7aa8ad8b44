"""Interfaces of this PC, as `ip` of iproute2 tells them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from hil.errors import LabFault


@dataclass(frozen=True)
class Interface:
    """A network port: its IPv4 addresses, and whether it leads out of the lab (the default route)."""

    name: str
    addresses: tuple[IPv4Interface, ...]
    leads_out: bool


def interfaces() -> list[Interface]:
    """Every interface but loopback; `LabFault` where `ip` cannot be asked."""
    out = {route.get("dev") for route in _told("route", "show", "default")}
    return [
        Interface(
            link["ifname"],
            tuple(
                IPv4Interface(f"{each['local']}/{each['prefixlen']}") for each in link["addr_info"] if each["family"] == "inet"
            ),
            link["ifname"] in out,
        )
        for link in _told("address", "show")
        if "LOOPBACK" not in link["flags"]
    ]


def likely(found: list[Interface]) -> Interface | None:
    """The one that looks most like a bench's: with an address, and not the way out of the lab; None if there is none at all."""
    return min(found, key=lambda each: (each.leads_out, not each.addresses), default=None)


def _told(*words: str) -> list[dict[str, Any]]:
    command = ["ip", "-json", *words]
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env={**os.environ, "PATH": path})
        told: list[dict[str, Any]] = json.loads(said.stdout or "[]")
        return told
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise LabFault("this PC's interfaces are not known", tried=" ".join(command), seen=str(error)) from error
