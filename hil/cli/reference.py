"""`hil reference run`: the reference phone, watched while years of its life pass in minutes."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hil.cli.foreground import read_script
from hil.cli.naming import named
from hil.cli.reference_log import Log
from hil.cli.settings import beside
from hil.clock import Clock
from hil.errors import Misuse
from hil.evidence import scep_path
from hil.identity import Firmware, Identity
from hil.reference.device import START_FILE, BootReport, ReferencePhone, SlotOutcome, as_told
from hil.reference.haste import HastyClock
from hil.reference.store import MemoryStore
from hil.scenario import Answer
from hil.scep.authority import Authority
from hil.scep.client import Pending
from hil.scep.personas import Admission, Persona, persona
from hil.scep.signers import EndEntities
from hil.services.lab import Lab
from hil.settings.catalog import SLOTS
from hil.settings.interpret import interpret
from hil.settings.language import MAX_FILE
from hil.settings.profiles import Profile, profiles
from hil.settings.writer import SETTINGS_FILE, upgrade_file

DEVICE, ADDRESS = "reference", "127.0.0.1"
YEAR_A_MINUTE = 525_960.0
INTERRUPTED = 130
LACKS, PENDING = 1, 3
_MOST_FILES = 200

app = typer.Typer(help="The reference phone.", no_args_is_help=True, add_completion=False)


@app.callback()
def reference() -> None:
    """The reference phone, which does as the documents say."""


@app.command()
def run(
    settings: Annotated[Path, typer.Argument(metavar="SETTINGS", help="A settings file, or the folder of a file server.")],
    model: Annotated[str, typer.Option(help="For example J179.")] = "J179",
    mac: Annotated[str, typer.Option(help="For example c8:1f:ea:83:e8:5a.")] = "c8:1f:ea:00:00:01",
    serial: Annotated[str, typer.Option(help="Serial number.")] = "19WZ0000001A",
    firmware: Annotated[str, typer.Option(help="For example 4.0.13.0.")] = "4.1.11.0.9",
    persona_name: Annotated[
        str | None, typer.Option("--persona", metavar="NAME", help="Whose behaviour the CA shows: one of docs/scep.md.")
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="Go to the servers that the settings name, not to the bench's CA.")
    ] = False,
    script: Annotated[
        list[str] | None,
        typer.Option(metavar="ANSWER", help="Answer to a profile's next request, such as 'Reject()'; repeatable."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, max=1e12, help="Phone seconds in one real second while the phone waits.")
    ] = YEAR_A_MINUTE,
    until: Annotated[float, typer.Option(min=0, max=36_500, metavar="DAYS", help="Days of phone time to watch.")] = 365.0,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each step.")] = False,
) -> None:
    """Watch the reference phone boot, enrol, renew and try again, in its own time.

    Exit status: 0 each profile with a server holds a valid certificate, 1 one does not, 2 misuse, 3 one is still pending,
    11 a server of the bench failed, 130 interrupted.
    """
    if real and (persona_name or script):
        raise Misuse("the real server answers for itself", key="--real", remedy="leave --persona and --script out")
    with named(model="--model", mac="--mac", serial="--serial", firmware="--firmware", persona="--persona"):
        identity, release = Identity(model, mac, serial), Firmware(firmware)
        who = None if persona_name is None else persona(persona_name)
    files, answers = offered(settings), read_script(script)
    told = profiles(interpret(START_FILE, files.get, identity, firmware=release), identity)
    over = threading.Event()
    with Log(as_json=as_json) as log, _interrupts(over) as interrupted, tempfile.TemporaryDirectory(prefix="hil-") as scratch:
        clock = HastyClock(rate, until * 86_400, over, log.passing)
        with Lab(clock=clock, authority=Authority.create("J100 bench CA", clock), state=Path(scratch), hosts=(ADDRESS,)) as lab:
            lab.place(DEVICE, ADDRESS)
            lab.publish(DEVICE, "/", files)
            for slot in SLOTS:
                _seat_ca(lab, slot, answers, who, told, clock)

            def at_bench(profile: Profile) -> str:
                return f"http://{ADDRESS}:{lab.http_port}{scep_path(DEVICE, profile.slot)}"

            store = MemoryStore()
            phone = ReferencePhone(
                identity,
                release,
                store,
                clock,
                base_url=f"http://{ADDRESS}:{lab.http_port}/",
                report=log.step,
                reach=as_told if real else at_bench,
                cancel=over,
            )
            booted = phone.boot()
            outcomes = (*booted.slots, *phone.live(booted, over))
        states = standing(booted, outcomes, store, clock.now())
        why = "interrupted:" if interrupted.is_set() else f"{until:g} {'day is' if until == 1 else 'days are'} over:"
        log.step("end", {"since": clock.now().isoformat(), "why": why, "profiles": states})
    raise typer.Exit(INTERRUPTED if interrupted.is_set() else exit_code(states))


def offered(settings: Path) -> Mapping[str, bytes]:
    """The files of a file server: those of a folder, or the one file, to which a start file leads."""
    if settings.is_file():
        only = beside(settings.parent)(settings.name) or b""
        return {START_FILE: only} if settings.name == START_FILE else {START_FILE: upgrade_file(), SETTINGS_FILE: only}
    if not settings.is_dir():
        raise Misuse("is neither a file nor a folder", file=settings, remedy="a settings file, or a folder with 46xxsettings.txt")
    fetch = beside(settings)
    named = [file.name for file in settings.iterdir() if file.is_file() and file.stat().st_size <= MAX_FILE][:_MOST_FILES]
    files = {name: content for name in named if (content := fetch(name)) is not None}
    if not {START_FILE, SETTINGS_FILE} & set(files):
        raise Misuse(f"has neither {START_FILE} nor {SETTINGS_FILE}", file=settings, remedy="the folder of a file server")
    return {START_FILE: upgrade_file()} | files


def _seat_ca(lab: Lab, slot: int, answers: Sequence[Answer], who: Persona | None, told: Sequence[Profile], clock: Clock) -> None:
    """The bench's own CA behind a slot, or one as the persona `who`, which knows the slot's profile as an end entity."""
    if who is None:
        lab.script(DEVICE, slot, answers=answers)
        return
    mine = [profile for profile in told if profile.slot == slot]
    admission = Admission(entities=EndEntities(profile.common_name for profile in mine))
    identifier = next((profile.ca_identifier for profile in mine), "CAIdentifier")
    authority = who.authority(f"CA {who.name}", clock)
    service = who.service(authority, admission, clock=clock, identifier=identifier, script=answers)
    lab.seat(DEVICE, slot, who.endpoint(service))


def standing(booted: BootReport, outcomes: Sequence[SlotOutcome], store: MemoryStore, now: datetime) -> Mapping[int, str]:
    """How each profile with a server ends: it `holds` a valid certificate, `lacks` one, or is `pending`."""
    last = {outcome.slot: outcome.result for outcome in outcomes}
    states = {}
    for outcome in booted.slots:
        held = store.held(outcome.slot)
        if held is not None and held.certificate.not_before <= now <= held.certificate.not_after:
            states[outcome.slot] = "holds"
        elif isinstance(last[outcome.slot], Pending):
            states[outcome.slot] = "pending"
        elif outcome.result is not None:
            states[outcome.slot] = "lacks"
    return states


def exit_code(states: Mapping[int, str]) -> int:
    """The exit status that the profiles' states amount to."""
    return LACKS if "lacks" in states.values() else PENDING if "pending" in states.values() else 0


@contextmanager
def _interrupts(over: threading.Event) -> Iterator[threading.Event]:
    """Let the first SIGINT or SIGTERM end the watch, and a second one the process; whether there was one."""
    interrupted = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        interrupted.set()
        over.set()
        signal.signal(number, former[signal.Signals(number)])

    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in former:
        signal.signal(number, end)
    try:
        yield interrupted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
