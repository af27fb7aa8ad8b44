"""A server that is a program of its own: started, read line by line, its end told, and ended with this process."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import EventStream

_PATIENCE = 10.0
_LAST_WORDS = 3


class Supervised:
    """A running program; a context manager. It ends with this process, whatever ends that.

    Each line that it says goes to `heard`; it serves once one holds `started`. That it ended before it
    was told to is an event, with its last words: of the lines that are `quotable`. `port` is where it
    serves, for messages.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        events: EventStream,
        *,
        started: str,
        heard: Callable[[str], None],
        port: str,
        quotable: Callable[[str], bool] = bool,
    ) -> None:
        self._name = name
        self._command = command
        self._events = events
        self._started = started
        self._heard = heard
        self._port = port
        self._quotable = quotable
        self._process: subprocess.Popen[str] | None = None
        self._keeper: threading.Thread | None = None
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Return once it serves; raises LabFault with its last words where it does not."""
        self._ending.clear()
        outcome: queue.Queue[str | None] = queue.Queue()
        self._keeper = threading.Thread(target=self._keep, args=(outcome,), name=self._name, daemon=True)
        self._keeper.start()
        try:
            failure = outcome.get(timeout=_PATIENCE)
        except queue.Empty:
            failure = f"it is not ready after {_PATIENCE:g} s"
        if failure is not None:
            self.stop()
            raise LabFault(f"{self._name} does not serve", port=self._port, tried="start it", seen=failure)

    def stop(self) -> None:
        """End it and return once it is gone."""
        self._ending.set()
        process, keeper = self._process, self._keeper
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        if keeper is not None:
            keeper.join(_PATIENCE)
        self._process = self._keeper = None

    def _keep(self, outcome: queue.Queue[str | None]) -> None:
        """Start the program and read its log to the end; the kernel ends it when this thread is gone."""
        command = ["setpriv", "--pdeathsig", "TERM", "--", *self._command]
        last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            outcome.put(str(error))
            return
        self._process = process
        assert process.stdout is not None
        with process.stdout as log:
            for line in log:
                if self._quotable(line):
                    last_words.append(line.strip())
                if self._started in line:
                    outcome.put(None)
                self._heard(line)
        status = process.wait()
        said = " | ".join(last_words)
        outcome.put(f"exit status {status}: {said}")
        if not self._ending.is_set():
            self._events.publish(EventName.FAULT, text=f"{self._name} ended: {said}", status=status)
