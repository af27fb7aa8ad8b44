"""Power by a person: for a bench that has nothing else, one phone at a time.

The person is asked on the terminal that the run was started from, whatever became of its standard
streams, and says when it is done. Nothing else reads back what a hand does, so an answer that is not
the word asked for is no answer.
"""

from __future__ import annotations

import os
import select
import time
from typing import Annotated, Literal

from pydantic import Field

from hil.bench.power import Outlet, PowerSettings, PowerWay, Wiring
from hil.bench.power.readback import Interruption, Line, LineSwitch, NoAnswer, Reading, Refusal

TERMINAL = "/dev/tty"
_LONGEST_ANSWER = 256


class ManualSettings(PowerSettings):
    """A person at the bench."""

    kind: Literal["manual"] = Field(description="a person, who is asked at the terminal")
    terminal: str = Field(default=TERMINAL, description="where the person is asked")
    patience: Annotated[float, Field(gt=0, le=86_400)] = Field(default=600.0, description="longest wait for an answer [real s]")


class ManualOutlet(Outlet):
    """Where the person finds the phone's power."""

    where: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="where the person finds it, such as `adapter under desk 4`"
    )


class ManualLine(Line):
    """An outlet that a person switches."""

    def __init__(self, settings: ManualSettings, where: str) -> None:
        self._settings = settings
        self._where = where
        self._on: bool | None = None

    @property
    def label(self) -> str:
        return self._where

    def asking(self, on: bool) -> str:
        return f"ask a person to switch it {'on' if on else 'off'}"

    def set(self, on: bool) -> None:
        word = "on" if on else "off"
        asked = f"Switch {word}: {self._where}. When it is {word}, answer {word} (or no, if it cannot be): "
        self._on = self._ask(asked, {word: on}) if self._on is not on else on

    def read(self) -> Reading:
        if self._on is None:
            self._on = self._ask(f"Is {self._where} on or off? ", {"on": True, "off": False})
        return Reading(self._on, self._on, f"a person says {'on' if self._on else 'off'}")

    def _ask(self, question: str, meanings: dict[str, bool]) -> bool:
        try:
            terminal = os.open(self._settings.terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise NoAnswer(f"there is nobody to ask: {self._settings.terminal}: {error.strerror}") from error
        try:
            deadline = time.monotonic() + self._settings.patience
            while True:
                os.write(terminal, f"\r\n{question}".encode())
                answer = self._line(terminal, deadline).strip().lower()
                if answer in meanings:
                    return meanings[answer]
                if answer == "no":
                    raise Refusal("the person says that it cannot be")
        finally:
            os.close(terminal)

    def _line(self, terminal: int, deadline: float) -> str:
        said = b""
        while not said.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                raise NoAnswer(f"nobody answered within {self._settings.patience:g} s")
            try:
                heard = os.read(terminal, _LONGEST_ANSWER)
            except OSError as error:
                raise Interruption(f"{self._settings.terminal}: {error.strerror}") from error
            if not heard:
                raise Interruption(f"{self._settings.terminal} was hung up")
            said += heard
            if len(said) > _LONGEST_ANSWER:
                return ""
        return said.decode("utf-8", "replace")


def connect(settings: PowerSettings, wiring: Wiring) -> LineSwitch:
    """A person; asks nothing yet."""
    if not isinstance(settings, ManualSettings):
        raise TypeError(f"not the settings of a person: {settings!r}")

    def line_of(outlet: Outlet) -> ManualLine:
        if not isinstance(outlet, ManualOutlet):
            raise TypeError(f"not an outlet that a person switches: {outlet!r}")
        return ManualLine(settings, outlet.where)

    return LineSwitch(settings.terminal, settings, wiring, line_of, patience=settings.patience)


WAY = PowerWay(settings=ManualSettings, outlet=ManualOutlet, connect=connect)
