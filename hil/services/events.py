"""What the servers of a bench saw, in one stream that any thread may write, read and wait on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Protocol

from hil.clock import Clock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.frozen import frozen

Scalar = str | int | float | bool | None

_CANCEL_LATENCY = 0.05
"""Real seconds after which a waiter looks whether it was cancelled."""


@frozen
class Event:
    """One thing that happened: its phone time and real time, and the device and slot it is attributed to, if any."""

    at: datetime
    real: datetime
    name: EventName
    device: str | None = None
    slot: int | None = None
    details: Mapping[str, Scalar] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The event as a line of a boot's event log; instants in ISO 8601, UTC."""
        return {
            "at": stamp(self.at),
            "real": stamp(self.real),
            "name": self.name.value,
            "device": self.device,
            "slot": self.slot,
            "details": dict(self.details),
        }


Predicate = Callable[[Event], bool]


class Log(Protocol):
    """Keeps events; what becomes of a write is its own to tell, since who published it has no part in that."""

    def write(self, event: Event, /) -> None:
        """Keep one event; raises nothing."""


def everything(_: Event) -> bool:
    """The predicate that every event fulfils."""
    return True


class EventStream:
    """All events of a bench in the order they were published; a cursor is the number of events before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clocks: dict[str, Clock] = {}
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._waiters: set[threading.Event] = set()
        self._logs: list[Log] = []

    @property
    def cursor(self) -> int:
        """Where the next event will stand."""
        return len(self._events)

    def keep_time(self, device: str, clock: Clock) -> None:
        """From now on events of `device` happen at the time of its own clock."""
        self._clocks[device] = clock

    def clock_of(self, device: str | None) -> Clock:
        """The clock that `device` lives by, the bench's where it has none of its own."""
        return self._clocks.get(device, self._clock) if device else self._clock

    def publish(self, name: EventName, /, *, device: str | None = None, slot: int | None = None, **details: Scalar) -> Event:
        """Append an event that happens now. Details never carry a secret."""
        with self._lock:
            event = Event(self.clock_of(device).now(), datetime.now(UTC), name, device, slot, details)
            self._events.append(event)
            for log in self._logs:
                log.write(event)
            for waiter in self._waiters:
                waiter.set()
        return event

    def since(self, cursor: int = 0) -> tuple[Event, ...]:
        """Events from `cursor` on."""
        with self._lock:
            return tuple(self._events[cursor:])

    def subscribe(self, cursor: int = 0, clock: Clock | None = None) -> Subscription:
        """A reader that gets every event from `cursor` on, once, in order, and waits by `clock`, else by the bench's."""
        return Subscription(self, cursor, clock or self._clock)

    def wait_for(
        self, predicate: Predicate, *, span: float, cancel: threading.Event | None = None, since: int = 0
    ) -> Event | None:
        """The first event from `since` on that fulfils `predicate`.

        None when `span` seconds of the bench's clock have passed, or `cancel` is set, before there was one.
        """
        reader = self.subscribe(since)
        deadline = self._clock.now() + timedelta(seconds=span)
        while True:
            left = (deadline - self._clock.now()).total_seconds()
            events = reader.wait(left, cancel)
            for event in events:
                if predicate(event):
                    return event
            if not events and (left <= 0 or (cancel is not None and cancel.is_set())):
                return None

    def wait_beyond(self, cursor: int, clock: Clock, *, span: float, cancel: threading.Event | None = None) -> None:
        """Return once there is an event at `cursor`, `span` phone seconds of `clock` have passed, or `cancel` is set."""
        deadline = clock.now() + timedelta(seconds=span)
        with self._waiter() as news:
            while self.cursor <= cursor and not (cancel and cancel.is_set()):
                left = (deadline - clock.now()).total_seconds()
                if left <= 0:
                    return
                clock.wait(news, min(left, _CANCEL_LATENCY * clock.rate) if cancel else left)
                news.clear()

    @contextmanager
    def log_to(self, path: Path, predicate: Predicate = everything, *, since: int | None = None) -> Iterator[None]:
        """Write events that fulfil `predicate` to `path` as JSON lines, each as it happens; from `since` on if given.

        Raises LabFault on leaving if a line could not be written: the log is then not whole.
        """
        with path.open("wb", buffering=0) as file:
            log = _Lines(file, predicate)
            with self.kept_in(log, since=since):
                yield
            if log.failure is not None:
                raise LabFault("the event log is not whole", tried=f"write {path.name}", seen=str(log.failure))

    @contextmanager
    def kept_in(self, log: Log, *, since: int | None = None) -> Iterator[None]:
        """Let `log` write each event as it happens; from `since` on if given."""
        with self._lock:
            for event in self._events[len(self._events) if since is None else since :]:
                log.write(event)
            self._logs.append(log)
        try:
            yield
        finally:
            with self._lock:
                self._logs.remove(log)

    @contextmanager
    def _waiter(self) -> Iterator[threading.Event]:
        news = threading.Event()
        with self._lock:
            self._waiters.add(news)
        try:
            yield news
        finally:
            with self._lock:
                self._waiters.discard(news)


class Subscription:
    """A reader's place in the stream; for one thread."""

    def __init__(self, stream: EventStream, cursor: int, clock: Clock) -> None:
        self._stream = stream
        self._cursor = cursor
        self._clock = clock

    def drain(self) -> tuple[Event, ...]:
        """Events not read yet, none if there are none."""
        events = self._stream.since(self._cursor)
        self._cursor += len(events)
        return events

    def wait(self, span: float, cancel: threading.Event | None = None) -> tuple[Event, ...]:
        """Events not read yet; where there are none, wait for one at most `span` phone seconds or until `cancel`."""
        self._stream.wait_beyond(self._cursor, self._clock, span=span, cancel=cancel)
        return self.drain()


class _Lines:
    """A file of JSON lines; a failed write is kept for the one who opened it, not raised to who published."""

    def __init__(self, file: FileIO, predicate: Predicate) -> None:
        self._file = file
        self._predicate = predicate
        self.failure: OSError | None = None

    def write(self, event: Event) -> None:
        if self.failure is None and self._predicate(event):
            try:
                line = json.dumps(event.to_json(), ensure_ascii=False) + "\n"
                self._file.write(line.encode(errors="replace"))
            except OSError as fault:
                self.failure = fault


def stamp(instant: datetime) -> str:
    """The instant in ISO 8601, UTC, to the microsecond."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
