"""What a reference phone does, step by step in phone time: a line for people, or one of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

Details = Mapping[str, Any]


class Log:
    """Tells each step at once; between steps a line on a terminal shows how time passes."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        self._passing = self._console.status("", spinner="dots")

    def __enter__(self) -> Log:
        if not self._as_json and self._console.is_terminal:
            self._passing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._passing.stop()

    def passing(self, now: datetime) -> None:
        """Nothing happens and time passes; now it is `now`."""
        self._passing.update(f"{now:%Y-%m-%d %H:%M}")

    def step(self, step: str, details: Details) -> None:
        """A step of the phone, with its details; `since` is when."""
        told = dict(details)
        at = str(told.pop("since"))
        if self._as_json:
            typer.echo(json.dumps({"at": at, "step": step, **told}, default=str))
            return
        line = SENTENCES[step](told)
        if line is not None:
            who = f"profile {told['slot']}" if told.get("slot") else ""
            text = f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}  {who:10} {line}"
            # What settings and CAs say may hold what a terminal would obey.
            self._console.print(Text("".join(letter if letter.isprintable() else " " for letter in text), STYLES.get(step, "")))


DECISIONS = {
    "Enrol": "enrols",
    "Hold": "keeps what it has",
    "Blocked": "installs nothing",
    "AskUser": "waits for a person",
    "Idle": "does nothing",
}
STYLES = {"installed": "green", "rejected": "red", "enrolment failed": "red", "still pending": "yellow", "decided": "bold"}


def _planned(told: Details) -> str:
    if "at" not in told:
        return "nothing to renew, so nothing is planned"
    if told["again"]:
        return f"tried again at {_instant(told['at'])}, 24 hours after the attempt began"
    left = _day(told["not_after"]) - _day(told["at"])
    days = left.total_seconds() / 86_400
    return f"renewal planned for {_instant(told['at'])}: {told['percent']} % of the validity, {days:g} days before it ends"


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _instant(text: str) -> str:
    return f"{_day(text):%Y-%m-%d %H:%M:%S}"


def _settings(told: Details) -> str:
    return f"settings read: {told['files']} files, {told['parameters']} parameters set, {told['ignored']} lines without effect"


def _installed(told: Details) -> str:
    return f"certificate {told['serial']} installed, valid {_instant(told['not_before'])} to {_instant(told['not_after'])}"


def _end(told: Details) -> str:
    held = {"holds": "holds a certificate", "lacks": "holds no valid certificate", "pending": "is still pending"}
    profiles = [f"profile {slot} {held[state]}" for slot, state in told["profiles"].items()] or ["no profile enrols"]
    return f"{told['why']} {', '.join(profiles)}"


SENTENCES: Mapping[str, Callable[[Details], str | None]] = {
    "fetch": lambda told: f"asks for {told['file']}",
    "settings": _settings,
    "ask the time": lambda told: None if told["told"] else "is told no time, and goes by what it knew",
    "delete": lambda told: f"deletes its certificate: {told['setting']} is 1",
    "decided": lambda told: f"{DECISIONS[told['decision']]}: {told['reason']}",
    "generate key": lambda told: f"generates a key of {told['bits']} bits",
    "discover": lambda told: f"asks for the CA {told['ca_identifier'] or 'without a name'}",
    "enrol": lambda told: f"enrols as {told['subject']}",
    "renew": lambda told: f"renews as {told['subject']}",
    "wait to poll": lambda _: "is pending",
    "poll": lambda _: "polls",
    "still pending": lambda _: "is still pending, and is left at that",
    "installed": _installed,
    "rejected": lambda told: f"rejected by the CA: {told['fail_info'] or 'no reason given'}",
    "enrolment failed": lambda told: f"no certificate: {told['reason']}",
    "idle": lambda _: "boot finished",
    "planned": _planned,
    "end": _end,
}
"""The line of each step; None where it needs none."""
