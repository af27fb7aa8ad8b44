"""The command lines of the houses whose dialects the bench speaks, written from their manuals and not from the dialects."""

from __future__ import annotations

import re

from hil.virtual.command_line.session import WATTS, Action, House, Session


def go(level: str, words: str = "") -> Action:
    """Change the level."""

    def action(cli: Session, _: re.Match[str]) -> str:
        cli.go(level)
        return words

    return action


def at_port(level: str) -> Action:
    """Change into the configuration of a port."""

    def action(cli: Session, found: re.Match[str]) -> str:
        cli.port = found["port"]
        cli.go(level)
        return ""

    return action


def here(on: bool) -> Action:
    """Switch the port whose configuration this is."""
    return lambda cli, _: cli.order(cli.port, on)


def named(on: bool) -> Action:
    """Switch the port that the command names."""
    return lambda cli, found: cli.order(found["port"], on)


def page_off(cli: Session, _: re.Match[str]) -> str:
    """Turn the pager off."""
    cli.page_off()
    return ""


def show(cli: Session, found: re.Match[str]) -> str:
    """Show a port."""
    return cli.shown(found["port"])


def quiet(_: Session, __: re.Match[str]) -> str:
    """Take the command and do nothing."""
    return ""


def leave(cli: Session, _: re.Match[str]) -> str:
    """Log out."""
    cli.end()
    return ""


def enable(cli: Session, _: re.Match[str]) -> str:
    """Become privileged."""
    cli.go("enable")
    return ""


def enable_by_password(cli: Session, _: re.Match[str]) -> str:
    """Become privileged by the password for that."""
    return cli.ask_password(lambda said: cli.go("enable" if said == cli.access.enable else cli.level))


LEVELS = {"user": "sw1>", "enable": "sw1#", "config": "sw1(config)#", "port": "sw1(config-if)#"}
ANYWHERE = "user enable config port"
PORT = r"(?P<port>\S+)"


def cisco_shows(port: str, wanted: bool, power: bool) -> str:
    """`show power inline` of one port."""
    row = f"{port:<9} {'auto' if wanted else 'off':<6} {'on' if power else 'off':<10} {WATTS if power else 0.0:<7} "
    row += "J179                3     30.0" if power else "n/a                 n/a   30.0"
    return (
        "Interface Admin  Oper       Power   Device              Class Max\n"
        "                            (Watts)                            \n"
        "--------- ------ ---------- ------- ------------------- ----- ----\n" + row + "\n"
        "\nInterface  AdminPowerMax   AdminConsumption\n             (Watts)           (Watts)\n"
    )


CISCO = House(
    prompts=LEVELS,
    first="user",
    rules=(
        (ANYWHERE, r"terminal (length 0|width \d+)", page_off),
        ("user", r"en(able)?", enable_by_password),
        ("enable", r"conf(igure)? t(erminal)?", go("config", "Enter configuration commands, one per line.  End with CNTL/Z.\n")),
        ("config port", rf"interface {PORT}", at_port("port")),
        ("port", "power inline never", here(False)),
        ("port", "power inline auto", here(True)),
        ("config port", "end", go("enable")),
        ("enable", rf"show power inline {PORT}", show),
        ("user enable", "exit", leave),
    ),
    show=cisco_shows,
    refused="% Interface does not support inline power",
    unknown="                   ^\n% Invalid input detected at '^' marker.\n",
    pager=" --More-- ",
    rub_out=lambda pager: "\b" * len(pager) + " " * len(pager) + "\b" * len(pager),
    port="Gi1/0/1",
    other_port="Gi1/0/2",
    banner="\nAccess to the bench of the phones\n",
    log_line="%ILPOWER-5-IEEE_DISCONNECT: Interface Gi1/0/1: PD removed",
)


def hp_shows(port: str, wanted: bool, power: bool) -> str:
    """`show power-over-ethernet` of one port."""
    head = (
        f"\n Status and Counters - Port Power Status for port {port}\n\n  Power Enable          : {'Yes' if wanted else 'No'}\n"
    )
    if not wanted and not power:
        return head + "\n"
    return head + (
        "                                        LLDP Detect           : enabled\n"
        "  Priority              : low           Configured Type       :\n"
        "  AllocateBy            : usage         Value                 : 17 W\n"
        f"  Detection Status      : {'Delivering' if power else 'Searching'}    Power Class           : 2\n"
        "  Over Current Cnt      : 0             MPS Absent Cnt        : 0\n"
        "  Power Denied Cnt      : 0             Short Cnt             : 0\n"
        "  Voltage               : 55.1 V        Current               : 62 mA\n"
        f"  Power                 : {WATTS if power else 0.0} W\n\n"
    )


HP = House(
    prompts={"user": "sw1> ", "enable": "sw1# ", "config": "sw1(config)# ", "port": "sw1(eth-1)# "},
    first="user",
    rules=(
        (ANYWHERE, r"no page|terminal width \d+", page_off),
        ("user", "enable", enable),
        ("enable", "configure( terminal)?", go("config")),
        ("config port", rf"interface {PORT}", at_port("port")),
        ("port", "no power-over-ethernet", here(False)),
        ("port", "power-over-ethernet", here(True)),
        ("config port", "end", go("enable")),
        (ANYWHERE, rf"show power-over-ethernet {PORT}", show),
        (
            ANYWHERE,
            "logout",
            lambda cli, _: cli.ask_password(lambda _: cli.end()).replace("Password: ", "Do you want to log out (y/n)? "),
        ),
    ),
    show=hp_shows,
    refused="Module not present for port or invalid port: 9",
    unknown="Invalid input: {line}",
    pager="-- MORE --, next page: Space, next line: Enter, quit: Control-C",
    port="1",
    other_port="2",
    banner="HP J9773A 2530-24G-PoEP Switch\n(C) Copyright 1991-2020 HPE\n",
)


def cx_shows(port: str, wanted: bool, power: bool) -> str:
    """`show power-over-ethernet` of one port."""
    return (
        f"PoE status of port {port}\n\n"
        f"  Power Enable             : {'Yes' if wanted else 'No'}\n  Priority                 : low\n"
        "  Allocate By              : usage\n  Power Pairs Configured   : alt-a\n"
        f"  Operational Status       : {'delivering' if power else 'searching' if wanted else 'disabled'}\n"
        f"  PD Class                 : {'2' if power else '-'}\n  Power Drawn              : {WATTS if power else 0.0} W\n"
    )


CX = House(
    prompts={"enable": "sw1# ", "config": "sw1(config)# ", "port": "sw1(config-if)# "},
    first="enable",
    rules=(
        (ANYWHERE, "no page", page_off),
        ("enable", "configure terminal", go("config")),
        ("config port", rf"interface {PORT}", at_port("port")),
        ("port", "no power-over-ethernet", here(False)),
        ("port", "power-over-ethernet", here(True)),
        ("config port", "end", go("enable")),
        ("enable", rf"show power-over-ethernet {PORT}", show),
        ("enable", "exit", leave),
    ),
    show=cx_shows,
    refused="Invalid interface: not a PoE port",
    unknown="Invalid input: {line}",
    pager="-- MORE --, next page: Space, next line: Enter, quit: q",
    port="1/1/1",
    other_port="1/1/2",
    banner="Last login: 2026-11-20 10:11:12 from 192.0.2.1\n",
)


def junos_shows(port: str, wanted: bool, power: bool) -> str:
    """`show poe interface` with an interface's name."""
    return (
        f"PoE interface status:\nPoE interface                 : {port}\n"
        f"Administrative status         : {'Enabled' if wanted else 'Disabled'}\n"
        f"Operational status            : {'ON' if power else 'OFF'}\nPower limit on the interface  : 15.4W\n"
        f"Priority                      : Low\nPower consumed                : {WATTS if power else 0.0}W\n"
        "Class of power device         : 2\nPSE Mode                      : 802.3at\n"
    )


def candidate(on: bool) -> Action:
    """Change the candidate configuration; only a commit switches."""

    def action(cli: Session, found: re.Match[str]) -> str:
        cli.port = f"{found['port']} {on}"
        return "[edit]\n"

    return action


def commit(cli: Session, _: re.Match[str]) -> str:
    """Make the candidate configuration the running one, and leave."""
    port, on = cli.port.split(" ")
    said = cli.order(port, on == "True")
    if said:
        return said + "[edit]\n"
    cli.go("user")
    return "commit complete\nExiting configuration mode\n\n"


JUNOS = House(
    prompts={"user": "admin@sw1> ", "config": "admin@sw1# "},
    first="user",
    rules=(
        ("user", r"set cli screen-width \d+", lambda *_: "Screen width set to 511\n"),
        ("user", "set cli complete-on-space off", lambda *_: "Disabling complete-on-space\n"),
        ("user", "set cli screen-length 0", lambda cli, found: page_off(cli, found) + "Screen length set to 0\n"),
        (
            "user",
            "configure private",
            go("config", "warning: uncommitted changes will be discarded on exit\nEntering configuration mode\n\n[edit]\n"),
        ),
        ("config", rf"set poe interface {PORT}", candidate(True)),
        ("config", rf"set poe interface {PORT} disable", candidate(False)),
        ("config", rf"delete poe interface {PORT} disable", lambda *_: "warning: statement not found\n\n[edit]\n"),
        ("config", "commit and-quit", commit),
        ("config", "exit configuration-mode", go("user", "Exiting configuration mode\n\n")),
        ("user", rf"show poe interface {PORT}", show),
        ("user", "exit", leave),
    ),
    show=junos_shows,
    refused="error: commit failed: (statements constraint check failed)",
    unknown="                ^\nunknown command.\n",
    pager="---(more)---",
    port="ge-0/0/1",
    other_port="ge-0/0/2",
    banner="\n--- JUNOS 21.4R3.15 built 2022-09-01 UTC\n",
)


def ers_shows(port: str, wanted: bool, power: bool) -> str:
    """`show poe-port-status` of one port."""
    status = "DeliveringPower" if power else "Searching" if wanted else "Disabled"
    return (
        "       Admin    Current                            Limit\n"
        "Port   Status   Status            Classification   (Watts)  Priority\n"
        "------ -------- ----------------- ---------------- -------- --------\n"
        f"{port:<6} {'Enable' if wanted else 'Disable':<8} {status:<17} {'2' if power else '0':<16} 16       Low\n"
    )


ERS = House(
    prompts=LEVELS,
    first="user",
    rules=(
        (ANYWHERE, r"terminal (length 0|width \d+)", page_off),
        ("user", "enable", enable),
        ("enable", "configure terminal", go("config", "Enter configuration commands, one per line.  End with CNTL/Z.\n")),
        ("config port", r"interface Ethernet (?P<port>\S+)", at_port("port")),
        ("port", rf"poe poe-shutdown port {PORT}", named(False)),
        ("port", rf"no poe-shutdown port {PORT}", named(True)),
        ("config port", "end", go("enable")),
        ("enable", rf"show poe-port-status {PORT}", show),
        (ANYWHERE, "logout", leave),
    ),
    show=ers_shows,
    refused="% Cannot modify settings\n% Port is not PoE capable",
    unknown="                ^\n% Invalid input detected at '^' marker.\n",
    pager="----More (q=Quit, space/return=Continue)----",
    port="1/1",
    other_port="1/2",
    banner="\n* Ethernet Routing Switch 4850GTS-PWR+ *\n",
)


def mikrotik_shows(port: str, wanted: bool, power: bool) -> str:
    """`monitor once` of one port."""
    measured = f"     poe-out-voltage: 54.2V\n     poe-out-current: 62mA\n       poe-out-power: {WATTS}W\n"
    return (
        f"                name: {port}\n             poe-out: {'auto-on' if wanted else 'off'}\n"
        f"      poe-out-status: {'powered-on' if power else 'waiting-for-load' if wanted else 'disabled'}\n"
        + (measured if power else "")
    )


MIKROTIK = House(
    prompts={"user": "[admin@sw1] > "},
    first="user",
    rules=(
        ("user", rf"/interface ethernet poe set {PORT} poe-out=off", named(False)),
        ("user", rf"/interface ethernet poe set {PORT} poe-out=auto-on", named(True)),
        ("user", rf"/interface ethernet poe monitor {PORT} once", show),
        ("user", "quit", leave),
    ),
    show=mikrotik_shows,
    refused="no such item",
    unknown="bad command name {line} (line 1 column 1)",
    pager="-- more --",
    port="ether1",
    other_port="ether2",
    banner="\n  MikroTik RouterOS 7.15 (c) 1999-2024       https://www.mikrotik.com/\n\n",
)

HOUSES = {
    "cisco-ios": CISCO,
    "arubaos-switch": HP,
    "aruba-cx": CX,
    "junos": JUNOS,
    "extreme-ers": ERS,
    "mikrotik": MIKROTIK,
}
