"""`hil testbed init`: the questions about a bench of real phones, in the order in which a person walks along it."""

from __future__ import annotations

from pathlib import Path

import typer

from hil.bench.commented import commented
from hil.bench.interfaces import Interface, interfaces, likely
from hil.bench.network import Network
from hil.bench.power import Outlet
from hil.bench.power.ways import ways
from hil.bench.testbed import Phone, Testbed, model_with, parse
from hil.cli.asking import TRIES, Answers, agreed, ask, ask_for, one_of, problem_with, until_right
from hil.errors import Misuse

REAL_TIMES = {"boot_limit": 900, "quiet": 60, "settle": 60, "off_time": 5}
"""What a bench of real phones starts with, until its own are measured (docs/real-bench.md)."""


def interview(file: Path) -> str:
    """Ask for all that a testbed of real phones needs; the text of the testbed that will stand in `file`.

    `Misuse` where a question finds no right answer in `TRIES` tries; `typer.Abort` where the person ends it.
    """
    typer.echo("Enter takes what stands in brackets; Ctrl-C ends, and nothing is written.")
    said: Answers = {"kind": "real", "times": REAL_TIMES}
    said["name"] = ask(Testbed, "name", default=file.stem if problem_with(Testbed, "name", file.stem) is None else "lab-1")
    said["network"] = _network()
    kind = _way()
    way = ways()[kind]
    model = model_with(way)
    said["power"] = ask_for(way.settings, "power", {"kind": kind}, _found_here(said["name"]))
    said |= ask_for(model, "", {**said, "phones": []})
    said["phones"] = []
    for number in range(1, 201):
        said["phones"].append(_phone(model, way.outlet, said, number, file))
        if number == 200 or not agreed("\nIs there another phone?", default=False):
            break
    return _text(model, said)


def _network() -> Answers:
    found = interfaces()
    for each in found:
        told = ", ".join(map(str, each.addresses)) or "no IPv4 address"
        typer.echo(f"  {each.name}: {told}{', the way out of the lab' if each.leads_out else ''}")
    best = likely(found)
    name = ask(Network, "interface", "network", best.name if best else None)
    own = next((each for each in found if each.name == name), Interface(name, (), leads_out=False))
    address = own.addresses[0] if own.addresses else None
    defaults = {"address": str(address.ip), "prefix": address.network.prefixlen} if address else {"address": "192.168.77.1"}
    return ask_for(Network, "network", {"interface": name}, defaults)


def _way() -> str:
    known = ways()
    for name, way in sorted(known.items()):
        typer.echo(f"  {name}: {way.settings.model_fields['kind'].description}")
    return until_right("power.kind: how is power switched?", "snmp", lambda text: one_of(text, sorted(known)))


def _found_here(bench: str) -> Answers:
    consoles = sorted(Path("/dev/serial/by-id").glob("*")) if Path("/dev/serial/by-id").is_dir() else []
    return {"known_hosts": f"known_hosts-{bench}", "device": str(consoles[0]) if consoles else None}


def _phone(model: type[Testbed], outlet: type[Outlet], said: Answers, number: int, file: Path) -> Answers:
    """A phone that fits those before it; asked again, with what was answered as defaults, where it does not."""
    former = said["phones"][-1] if said["phones"] else {}
    defaults: Answers = {"model": former.get("model"), **_next_addresses(said["network"], number)}
    outlets = _next_outlet(outlet, former.get("power", {}))
    at = f"phones[{number - 1}]"
    for _ in range(TRIES):
        typer.echo(f"\nPhone {number}")
        name = ask(Phone, "model", at, defaults["model"])
        of_model = sum(phone["model"] == name for phone in said["phones"]) + 1
        phone = {"model": name, "power": {}}
        phone = ask_for(Phone, at, phone, {"name": f"{name[:4].lower()}-{of_model}", **defaults})
        phone["power"] = ask_for(outlet, f"{at}.power", {}, outlets)
        try:
            parse(_text(model, {**said, "phones": [*said["phones"], phone]}), file)
        except Misuse as misuse:
            typer.echo(f"  {misuse.key}: {misuse.problem}" + (f"; {misuse.remedy}" if misuse.remedy else ""))
            defaults, outlets = phone, phone["power"]
        else:
            return phone
    raise Misuse(f"no right answer in {TRIES} tries", key=at, remedy="see docs/testbed.md")


def _next_outlet(outlet: type[Outlet], former: Answers) -> Answers:
    """What is numbered, counted on; a number that has a default, such as that of the group, stays."""
    steps = {key: int(field.is_required()) for key, field in outlet.model_fields.items()}
    return {key: value + steps[key] for key, value in former.items() if isinstance(value, int)}


def _next_addresses(network: Answers, number: int) -> Answers:
    described = Network.model_validate(network)
    start = described.subnet.network_address + 100 if described.prefix <= 24 else described.address
    return {"address": str(start + number), "reference": f"127.77.{number}.1"}


def _text(model: type[Testbed], said: Answers) -> str:
    head = "# yaml-language-server: $schema=testbed.schema.json\n# Every key is explained in docs/testbed.md.\n"
    return head + commented(model, said)
