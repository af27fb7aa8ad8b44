"""The virtual phone as a process: its start is power on, its SIGKILL is power off."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from hil.virtual.phone.boot import Phone
from hil.virtual.phone.catalogue import DEFECTS, VARIANTS, habits
from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.clock import FIRMWARE_BUILT, BenchFiles, Clock
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.upgrade import running

_RESTARTED = "J100_RESTARTED"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    flash = Flash(given.flash)
    runs = running(flash, given.firmware)
    try:
        unit = Unit(given.model, given.mac, given.serial, runs.release if runs else given.firmware)
    except ValueError as problem:
        parser.error(str(problem))
    behaviour = habits(given.variant, given.defect)
    believed = 0.0 if behaviour.starts_in_1970 else flash.time() or FIRMWARE_BUILT
    clock = Clock(given.rate, believed, bench=BenchFiles(given.bench) if given.bench else None)
    if runs is not None:
        restarted = _RESTARTED in os.environ
        phone = Phone(
            unit, behaviour, flash, clock, given.interface, _restart, restarted=restarted, runs=runs, shipped=given.firmware
        )
        phone.boot(given.boot_delay)
    clock.rest()
    while True:  # idle until the power goes
        signal.pause()


def listing(table: Mapping[str, Variant] | Mapping[str, Defect]) -> str:
    """JSON of each name with what it does, and the requirement it breaks or those it is about."""
    rows = []
    for name, each in table.items():
        concerns = {"requirement": each.requirement} if isinstance(each, Defect) else {"about": each.about}
        rows.append({"name": name, "does": each.does, **concerns})
    return json.dumps(rows, indent=2)


class _PrintAndExit(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> NoReturn:
        sys.stdout.write(f"{self.const}\n")
        parser.exit()


def _restart() -> None:
    """Starts this process afresh."""
    os.environ[_RESTARTED] = "1"
    os.execv(sys.executable, sys.orig_argv)


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e6:
        raise ValueError("not a span")
    return number


def _rate(text: str) -> float:
    if _number(text) == 0:
        raise ValueError("time must pass")
    return _number(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.virtual.phone", description="A virtual J100 phone: its start is power on."
    )
    for name, example in (("model", "J179"), ("mac", "c8:1f:ea:83:e8:5a"), ("serial", "19WZ1234567A"), ("firmware", "4.1.3.0.6")):
        parser.add_argument(f"--{name}", required=True, help=f"for example {example}")
    parser.add_argument("--flash", required=True, type=Path, metavar="DIR", help="what survives the power")
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--rate", default=1.0, type=_rate, help="phone seconds in a real second")
    parser.add_argument("--bench", type=Path, metavar="DIR", help="where bench and phone tell each other how time goes on")
    parser.add_argument("--boot-delay", default=15.0, type=_number, metavar="S", help="phone seconds before the network")
    for table, name in ((VARIANTS, "variant"), (DEFECTS, "defect")):
        parser.add_argument(f"--{name}", action="append", default=[], choices=table, metavar="NAME")
        parser.add_argument(f"--list-{name}s", action=_PrintAndExit, nargs=0, const=listing(table), help="print them as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
