"""`hil power` and `hil recover`: one phone's outlet by hand, and outlets that a killed run left off."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.bench.bench import bench_for
from hil.bench.claim import Use
from hil.bench.power import PowerPort, cycle
from hil.bench.testbed import load
from hil.cli.terminations import terminations_as_ctrl_c

TestbedFile = Annotated[Path, typer.Option("--testbed", metavar="FILE", help="The testbed that describes the bench.")]


class State(StrEnum):
    """What can be asked of an outlet."""

    ON = "on"
    OFF = "off"
    CYCLE = "cycle"
    STATUS = "status"


def power(
    state: Annotated[State, typer.Argument(metavar="STATE", help="on, off, cycle or status.")],
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="Name of the phone in the testbed.")],
    testbed: TestbedFile,
) -> None:
    """Switch or show the power of one phone; what was switched is read back from the switch.

    A phone left off is powered again by `hil recover` and at the start of the next run.
    """
    described = load(testbed)
    name = described.phone(phone).name
    switched = () if state is State.STATUS else (name,)  # whoever only looks needs nothing for himself
    with terminations_as_ctrl_c(), bench_for(described, Use(f"hil power {state}", switched, whole=False)) as bench:
        port = bench.power(name)
        match state:
            case State.ON:
                port.on()
            case State.OFF:
                port.off()
            case State.CYCLE:
                cycle(port)
            case State.STATUS:
                pass
        typer.echo(f"{name}: {_shown(port)} ({port.label})")


def _shown(port: PowerPort) -> str:
    """Such as `on, 3.4 W`, or `on` alone where the switch does not tell what it measures."""
    state, watts = "on" if port.delivering() else "off", port.watts()
    return state if watts is None else f"{state}, {watts:.1f} W"


def recover(testbed: TestbedFile) -> None:
    """Power on every phone that a run, or `hil power off`, left without power, and that nobody has now."""
    with bench_for(load(testbed), Use("hil recover", (), whole=False)) as bench:
        found = bench.recover()
    for entry in found:
        typer.echo(f"{entry.phone}: on again ({entry.port}; off since {entry.at} by {entry.by})")
    if not found:
        typer.echo("no phone that is free was left without power")
