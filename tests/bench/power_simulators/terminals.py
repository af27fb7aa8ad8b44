"""Real pseudo-terminals with something at the far end: a relay box, a person."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hil.virtual.command_line.console import Terminal
from hil.virtual.command_line.session import Rebooted, Refused
from power_simulators.box import Box, Mischief


class RelayBoxOnUsb(Terminal):
    """A relay box; `understand` takes what was said so far, and tells what is left of it and what the box answers."""

    def __init__(self, box: Box, understand: Callable[[bytes, Box], tuple[bytes, bytes]]) -> None:
        super().__init__()
        self.box = box
        self._understand = understand
        self._said = b""

    def hear(self, heard: bytes) -> None:
        if self.box.mischief is Mischief.SILENT:
            return
        self._said += heard
        try:
            self._said, answer = self._understand(self._said, self.box)
        except Rebooted:
            self.pull_out()
            return
        self.say(answer)


class Person(Terminal):
    """Somebody who reads questions and does as asked; `words` is what they say where they will not."""

    def __init__(self, box: Box) -> None:
        super().__init__(raw=False)
        self.box = box
        self.questions: list[str] = []
        self._asked = ""

    def hear(self, heard: bytes) -> None:
        self._asked += heard.decode()
        if not self._asked.endswith((": ", "? ")):
            return
        question, self._asked = self._asked.splitlines()[-1], ""
        self.questions.append(question)
        if self.box.mischief is Mischief.SILENT:
            return
        with contextlib.suppress(Rebooted):
            self.say(self._answer(question).encode() + b"\n")
            return
        self.pull_out()

    def _answer(self, question: str) -> str:
        port = next(name for name in self.box.ports if name in question)
        if question.startswith("Is "):
            return "on" if self.box.look(port)[1] else "off"
        word = question.partition(":")[0].removeprefix("Switch ")
        try:
            self.box.order(port, word == "on")
        except Refused:
            return "no"
        return word
