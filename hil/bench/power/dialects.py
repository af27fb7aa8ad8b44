"""How switches of each house are told of power and say what they do, as data.

A dialect is a login of netmiko's, a few commands, and one pattern. A testbed may bring its own where it
would name one of these; docs/power.md shows how to write one.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from hil.bench.power import listings
from hil.bench.strict import Strict

Commands = Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]


class Dialect(Strict):
    """What a kind of switch is told; in commands and in `reading`, `{port}` stands for the port as the switch shows it."""

    device_type: str = Field(description="netmiko's name of the platform, which logs in and turns paging off")
    turn_on: Commands = Field(description="commands that let a port deliver power, from the first prompt on and back to it")
    turn_off: Commands = Field(description="commands that take its power")
    status: str = Field(description="command that shows one port")
    reading: str = Field(
        description="pattern of what it shows of that port: groups `set` and `power`, and `watts` where it tells; "
        "a `power` that is not shown is none"
    )
    means_off: Annotated[frozenset[str], Field(min_length=1)] = Field(description="words of `set`, in lower case, for no power")
    means_on: Annotated[frozenset[str], Field(min_length=1)] = Field(description="words of `set`, in lower case, for power")
    delivers: Annotated[frozenset[str], Field(min_length=1)] = Field(description="words of `power`, in lower case, for power now")
    refusal: str = Field(description="pattern of a line that refuses a command")
    busy: str = Field(default=r"(?!)", description="pattern of a line that says that others have to end first")
    prompt: str = Field(default=r"{name}[^\n]*[>#]", description="pattern of a whole prompt; {name} is how it begins")
    privileged: bool = Field(default=False, description="whether commands need the privileged level (enable)")
    leave: str | None = Field(default="end", description="command that leaves the configuration, where a console stands in it")
    log_out: Commands = Field(
        default=("end", "exit"), description="what ends the session, wherever it stands; answers are not awaited"
    )
    user_suffix: str = Field(default="", description="put after the user's name at the login")
    listing: listings.Listing | None = Field(
        default=None, description="how it lists LLDP neighbours and stations; null: not at all"
    )

    @field_validator("reading", "refusal", "busy", "prompt")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            groups = re.compile(value.replace("{port}", "1").replace("{name}", "a")).groupindex
        except re.error as error:
            raise ValueError(f"is no pattern: {error}") from None
        if "{port}" in value and not {"set", "power"} <= set(groups):
            raise ValueError("has no groups set and power")
        return value

    @field_validator("status", "reading")
    @classmethod
    def _names_the_port(cls, value: str) -> str:
        if "{port}" not in value:
            raise ValueError("does not say {port}")
        return value


CISCO_IOS = Dialect(
    device_type="cisco_ios",
    privileged=True,
    turn_on=("configure terminal", "interface {port}", "power inline auto", "end"),
    turn_off=("configure terminal", "interface {port}", "power inline never", "end"),
    status="show power inline {port}",
    reading=r"(?m)^\s*{port}\s+(?P<set>[a-z]+)\S*\s+(?P<power>\S+)\s+(?P<watts>\d+\.\d+)",
    means_off=frozenset({"off", "never"}),
    means_on=frozenset({"auto", "static", "on", "consume"}),
    delivers=frozenset({"on"}),
    refusal=r"(?m)^\s*%\s?(?!\w+-\d-)[A-Za-z].*$",
    listing=listings.CISCO_IOS,
)
"""Catalyst switches. Commands: `power inline` and its error line, Catalyst 3560 Switch Cisco IOS Commands, chapter 2. Output:
`show power inline`, Command Reference, Cisco IOS XE Everest 16.5.1a (Catalyst 3650). A log line on a console also begins with
a percent sign; its facility, severity and mnemonic tell it from a refusal."""

ARUBAOS_SWITCH = Dialect(
    device_type="hp_procurve",
    privileged=True,
    turn_on=("configure", "interface {port}", "power-over-ethernet", "end"),
    turn_off=("configure", "interface {port}", "no power-over-ethernet", "end"),
    status="show power-over-ethernet {port}",
    reading=r"(?s)for port {port}\b.*?Power Enable\s*:\s*(?P<set>\w+)"
    r"(?:.*?Detection Status\s*:\s*(?P<power>\w+))?(?:.*?\bPower(?: Draw)?\s*:\s*(?P<watts>[\d.]+) W)?",
    means_off=frozenset({"no"}),
    means_on=frozenset({"yes"}),
    delivers=frozenset({"delivering"}),
    refusal=r"(?mi)^\s*(?:invalid input|incomplete input|ambiguous input|module not present|not authorized|error).*$",
    log_out=("end", "logout", "y", "n"),  # it asks whether we mean it, and whether to save
    listing=listings.ARUBAOS_SWITCH,
)
"""ProCurve and ArubaOS-Switch. Output: `show power-over-ethernet <PORT-LIST>`, ArubaOS-Switch 16.09 command reference (on a
port whose power is disabled it shows Power Enable alone), and the figure of the ProCurve 6600 guide, page 11-24. Refusals
from experience."""

ARUBA_CX = Dialect(
    device_type="aruba_aoscx",
    turn_on=("configure terminal", "interface {port}", "power-over-ethernet", "end"),
    turn_off=("configure terminal", "interface {port}", "no power-over-ethernet", "end"),
    status="show power-over-ethernet {port}",
    reading=r"(?si)port\s*:?\s+{port}\b.*?(?:Power Enable|Admin\w* Status|PoE Admin\w*)\w*\s*:\s*(?P<set>\w+)"
    r"(?:.*?(?:Operational|Detection|PD) Status\s*:\s*(?P<power>\w+))?(?:.*?Power Drawn?\s*:\s*(?P<watts>[\d.]+) ?W)?",
    means_off=frozenset({"no", "disable", "disabled", "down"}),
    means_on=frozenset({"yes", "enable", "enabled", "up"}),
    delivers=frozenset({"delivering"}),
    refusal=r"(?mi)^\s*(?:invalid input|invalid interface|% |command incomplete|cannot execute|error).*$",
    listing=listings.ARUBA_CX,
)
"""AOS-CX. Commands: Power Over Ethernet guide for AOS-CX, part 5200-6908. The form of the output, and refusals, from experience:
look at yours, and let the testbed bring a `reading` where it differs."""

JUNOS = Dialect(
    device_type="juniper_junos",
    turn_on=("configure private", "set poe interface {port}", "delete poe interface {port} disable", "commit and-quit"),
    turn_off=("configure private", "set poe interface {port} disable", "commit and-quit"),
    status="show poe interface {port}",
    reading=r"(?si)interface\s*:\s*{port}\s.*?admin\w* status\s*:\s*(?P<set>\w+).*?oper\w* status\s*:\s*(?P<power>[\w-]+)"
    r"(?:.*?power consum\w+\s*:\s*(?P<watts>[\d.]+) ?W)?",
    means_off=frozenset({"disabled"}),
    means_on=frozenset({"enabled"}),
    delivers=frozenset({"on", "powered-up"}),
    refusal=r"(?m)^\s*(?:error:|syntax error|unknown command|missing argument|invalid ).*$",
    busy=r"(?m)^\s*error: configuration database (?:locked|modified).*$",
    leave="exit configuration-mode",
    log_out=("rollback 0", "exit configuration-mode", "exit"),
    listing=listings.JUNOS,
)
"""EX series. Output: `show poe interface` with an interface's name, Junos OS 12.2 command summary. A private configuration is
committed, so that nobody else's half-made changes are. Refusals from experience."""

EXTREME_ERS = Dialect(
    device_type="extreme_ers",
    privileged=True,
    turn_on=("configure terminal", "interface Ethernet {port}", "no poe-shutdown port {port}", "end"),
    turn_off=("configure terminal", "interface Ethernet {port}", "poe poe-shutdown port {port}", "end"),
    status="show poe-port-status {port}",
    reading=r"(?m)^\s*{port}\s+(?P<set>Enable|Disable)d?\s+(?P<power>\S+)",
    means_off=frozenset({"disable"}),
    means_on=frozenset({"enable"}),
    delivers=frozenset({"deliveringpower"}),
    refusal=r"(?m)^\s*%.*$",
    log_out=("end", "logout"),
    listing=listings.EXTREME_ERS,
)
"""Ethernet Routing Switches of Nortel, Avaya and Extreme. Commands and output as administrators of such switches have written
them down; the words for a port that delivers as Extreme's own scripts read them. Refusals from experience."""

MIKROTIK = Dialect(
    device_type="mikrotik_routeros",
    turn_on=("/interface ethernet poe set {port} poe-out=auto-on",),
    turn_off=("/interface ethernet poe set {port} poe-out=off",),
    status="/interface ethernet poe monitor {port} once",
    reading=r"(?s)name:\s*{port}\s.*?poe-out:\s*(?P<set>[\w-]+).*?poe-out-status:\s*(?P<power>[\w-]+)"
    r"(?:.*?poe-out-power:\s*(?P<watts>[\d.]+)W)?",
    means_off=frozenset({"off"}),
    means_on=frozenset({"auto-on", "forced-on"}),
    delivers=frozenset({"powered-on"}),
    refusal=r"(?m)^\s*(?:bad command|expected|no such item|failure:|syntax error|input does not match|invalid|not enough).*$",
    prompt=r"\[[^\]\n]+\] [^\n]*>",
    leave=None,
    log_out=("quit",),
    user_suffix="+ct511w4098h",
    listing=listings.MIKROTIK,
)
"""RouterOS. Commands and output: PoE-Out, RouterOS documentation. The suffix asks for a plain, wide terminal (console login
options, RouterOS documentation). Refusals from experience."""

DIALECTS = {
    "cisco-ios": CISCO_IOS,
    "arubaos-switch": ARUBAOS_SWITCH,
    "aruba-cx": ARUBA_CX,
    "junos": JUNOS,
    "extreme-ers": EXTREME_ERS,
    "mikrotik": MIKROTIK,
}
"""Dialects by the name that a testbed uses."""
