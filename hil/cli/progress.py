"""Which step a verb is at, on a terminal; nothing where stderr is a file or a pipe."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from hil.clock import Clock


class Steps:
    """One line on stderr with the step at hand, and the seconds left where it waits; gone when it is left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._text = ""
        self._until: datetime | None = None
        self._spinner = Spinner("dots")
        console = Console(stderr=True)
        self._live = Live(console=console, get_renderable=self._line, transient=True) if console.is_terminal else None

    def __enter__(self) -> Steps:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def step(self, text: str, until: datetime | None = None) -> None:
        """From now on the line says `text`, and counts down to `until` if given."""
        self._text, self._until = text, until
        if self._live:
            self._live.refresh()

    def _line(self) -> Spinner:
        left = max(0.0, (self._until - self._clock.now()).total_seconds()) if self._until else 0.0
        self._spinner.update(text=f"{self._text} in {left:.0f} s" if left else self._text)
        return self._spinner
