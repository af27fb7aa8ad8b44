"""What each device asked for over HTTP and HTTPS: a log for each, in the combined format that web servers write."""

from __future__ import annotations

import resource
from collections import OrderedDict
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.errors import LabFault
from hil.services.events import Event, EventStream

STRAYS = "strays"
"""The log of requests that belong to no device."""

_SHARE_OPEN = 4
"""The logs have one in so many of the files that this process may have open."""

_MOST_OPEN = 4_096
"""Where it may have any number."""


class AccessLogs:
    """Writes `<device>.log` under `folder` while it is entered; a line for each answer, as it leaves.

    After the fields of the combined format, whose user is the device, a line has the service
    asked, `HTTP` or one over TLS, and `whole` or `cut`: whether all of the answer left.
    """

    def __init__(self, folder: Path, events: EventStream) -> None:
        self._folder = folder
        self._open: OrderedDict[str, FileIO] = OrderedDict()
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_open = max(1, allowed // _SHARE_OPEN) if allowed != resource.RLIM_INFINITY else _MOST_OPEN
        self._kept: AbstractContextManager[None] = events.kept_in(self)
        self.failure: OSError | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._kept.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kept.__exit__(kind, error, trace)
        for file in self._open.values():
            file.close()
        self._open.clear()
        if self.failure is not None and error is None:
            raise LabFault("the access logs are not whole", tried=f"write in {self._folder.name}", seen=str(self.failure))

    def write(self, event: Event) -> None:
        """Log what is an answer over HTTP; a failure is kept for who leaves."""
        if self.failure is None and {"method", "path", "status"} <= event.details.keys():
            try:
                self._file(event.device or STRAYS).write(line(event).encode())
            except OSError as failure:
                self.failure = failure

    def _file(self, name: str) -> FileIO:
        """The log of that name, open; of many the one that was longest without a line is closed."""
        if name not in self._open:
            if len(self._open) >= self._most_open:
                self._open.popitem(last=False)[1].close()
            self._open[name] = FileIO(self._folder / f"{name}.log", "a")
        self._open.move_to_end(name)
        return self._open[name]


def line(event: Event) -> str:
    """An answer as a line of its log."""
    told = event.details
    when = f"{event.real:%d/%b/%Y:%H:%M:%S %z}"
    client = str(told["client"]).rpartition(":")[0]
    status = told["status"] if told["status"] is not None else "-"
    request = _quoted(f"{told['method']} {told['path']} HTTP/1.1")
    agent = _quoted(str(told.get("user_agent") or "-"))
    end = f"{told.get('service', 'HTTP')} {'whole' if told.get('sent') else 'cut'}"
    return f'{client} - {event.device or "-"} [{when}] {request} {status} {told.get("size", 0)} "-" {agent} {end}\n'


def _quoted(text: str) -> str:
    """`text` in quotes, with what could end them, or a line, escaped."""
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join(letter if letter.isprintable() and letter not in '"\\' else _escaped(letter) for letter in text)
    return f'"{text}"'


def _escaped(letter: str) -> str:
    return "".join(f"\\x{octet:02X}" for octet in letter.encode("utf-8", "replace"))
