"""Power by a command of the site: a PDU's client, pdudaemon, a script that knows the lab's sockets.

Three commands, each a list of words and run without a shell: `turn_on`, `turn_off`, and `status`,
which prints what the outlet is. In every word `{outlet}` stands for the phone's outlet. A command that cannot tell
what an outlet is cannot be read back, and so is no way of power.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hil.bench.power import Outlet, PowerSettings, PowerWay, Wiring
from hil.bench.power.readback import Gibberish, Interruption, Line, LineSwitch, NoAnswer, Reading, Refusal
from hil.bench.power.turn import Turn
from hil.errors import Misuse

Words = Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]

_MOST_SAID = 300
"""Characters of a command's words that a fault repeats."""


class CommandSettings(PowerSettings):
    """Commands that switch outlets; run in the folder of the testbed, in the caller's environment."""

    kind: Literal["command"] = Field(description="outlets that a program of the site switches")
    turn_on: Words = Field(description="words of the command that powers `{outlet}`")
    turn_off: Words = Field(description="words of the command that takes its power")
    status: Words = Field(description="words of the command that prints what it is")
    shows_on: str = Field(default=r"(?i)\bon\b", description="pattern in the status of an outlet that is on")
    shows_off: str = Field(default=r"(?i)\boff\b", description="pattern in the status of an outlet that is off")
    timeout: Annotated[float, Field(gt=0, le=300)] = Field(default=15.0, description="longest run of one command [real s]")

    @field_validator("shows_on", "shows_off")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no pattern: {error}") from None
        return value


class CommandOutlet(Outlet):
    """The outlet as the commands call it."""

    outlet: Annotated[str, Field(min_length=1, max_length=255)] = Field(description="what stands for `{outlet}` in the commands")


class CommandLine(Line):
    """An outlet that commands switch; each command holds `turn` until it ends, even if this process is killed meanwhile.

    The next then comes after it: what a killed run still asked for is never the last word.
    """

    def __init__(self, settings: CommandSettings, outlet: str, folder: str, turn: Turn) -> None:
        self._settings = settings
        self._outlet = outlet
        self._folder = folder or "."
        self._turn = turn

    @property
    def label(self) -> str:
        return self._outlet

    def asking(self, on: bool) -> str:
        return " ".join(self._worded(self._settings.turn_on if on else self._settings.turn_off))

    def set(self, on: bool) -> None:
        self._run(self._settings.turn_on if on else self._settings.turn_off)

    def read(self) -> Reading:
        said = self._run(self._settings.status)
        is_on, is_off = (re.search(pattern, said) is not None for pattern in (self._settings.shows_on, self._settings.shows_off))
        if is_on == is_off:
            both = "both on and off" if is_on else "neither on nor off"
            raise Gibberish(f"{self._worded(self._settings.status)[0]} says {both}: {_cut(said)!r}")
        return Reading(is_on, is_on, f"{_cut(said)!r}")

    def _worded(self, words: Sequence[str]) -> list[str]:
        return [word.replace("{outlet}", self._outlet) for word in words]

    def _run(self, words: Sequence[str]) -> str:
        with self._turn.taken() as held:
            return self._run_in_turn(self._worded(words), held)

    def _run_in_turn(self, command: list[str], held: int) -> str:
        """What the command printed; a group of processes of its own, so that none of them outlives its time."""
        try:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(held,),
            )
        except OSError as error:
            raise NoAnswer(f"{command[0]} cannot be started: {error.strerror}") from error
        with process:
            try:
                said = process.communicate(timeout=self._settings.timeout)[0].decode("utf-8", "replace")
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):  # it may have ended itself, and left others that still speak
                    os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise NoAnswer(f"{command[0]} did not end within {self._settings.timeout:g} s") from None
                raise
        if process.returncode < 0:
            raise Interruption(f"{command[0]} was ended by {signal.Signals(-process.returncode).name}")
        if process.returncode:
            raise Refusal(f"{command[0]} ended with {process.returncode}: {_cut(said) or 'no word'}")
        return said


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SAID else line[:_MOST_SAID] + "..."


def connect(settings: PowerSettings, wiring: Wiring) -> LineSwitch:
    """A switch that is a set of commands; `Misuse` where one of them names no outlet."""
    if not isinstance(settings, CommandSettings):
        raise TypeError(f"not the settings of commands: {settings!r}")
    for key in ("turn_on", "turn_off", "status"):
        if not any("{outlet}" in word for word in getattr(settings, key)):
            raise Misuse("names no outlet", file=wiring.file, key=f"power.{key}", remedy="put {outlet} where its name belongs")

    name = " ".join(settings.turn_on)
    turn = Turn(wiring.turns, f"commands of {name}", wiring.clock, settings.timeout)

    def line_of(outlet: Outlet) -> CommandLine:
        if not isinstance(outlet, CommandOutlet):
            raise TypeError(f"not an outlet of commands: {outlet!r}")
        return CommandLine(settings, outlet.outlet, wiring.folder, turn)

    return LineSwitch(name, settings, wiring, line_of)


WAY = PowerWay(settings=CommandSettings, outlet=CommandOutlet, connect=connect)
