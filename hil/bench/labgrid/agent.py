"""Speaks with a labgrid coordinator: a program of its own, run by the Python of the environment that has labgrid.

    agent.py HOST:PORT NAME [PLACE...]

Reads a request a line and answers each with a line, both JSON; `NAME` is who acquires, `PLACE` what an earlier
agent of that name had acquired. When its input ends it gives back what it holds, and ends. A coordinator that
starts anew has forgotten who acquired what: as soon as it is back, what was held is acquired again, unless others
were quicker. A place that is lost while the coordinator goes on was taken away on purpose, and stays lost.
"""

from __future__ import annotations

import itertools
import json
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
from labgrid.remote.generated import labgrid_coordinator_pb2 as pb
from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as rpc
from labgrid.util import labgrid_version

ONE_ANSWER = 10.0
"""Real seconds for an answer of a coordinator that is there."""
PAUSE = 0.2
"""Real seconds between two tries to reach one that is not."""
STATES = ("waiting", "allocated", "acquired", "expired", "invalid")
OPTIONS = [
    ("grpc.keepalive_time_ms", 7500),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Refused(Exception):
    """What was asked for cannot be; the text says why, `kind` what sort of reason that is."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Session:
    """A session with the coordinator, by which it knows us; it lasts until the coordinator, or the connection, goes away.

    `owners` has who acquired each place, nobody being an empty name. It is as the coordinator knew it when it last answered.
    """

    def __init__(self, stub: Any, name: str, changed: Callable[[Session, str], None]) -> None:
        self.owners: dict[str, str] = {}
        self.broken = threading.Event()
        self._changed = changed
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._answered: dict[int, threading.Event] = {}
        self._outgoing.put(pb.ClientInMessage(startup=pb.StartupDone(version=labgrid_version(), name=name)))
        self._outgoing.put(pb.ClientInMessage(subscribe=pb.Subscribe(all_places=True)))
        self._call = stub.ClientStream(iter(self._outgoing.get, None))
        threading.Thread(target=self._listen, daemon=True).start()

    def await_answer(self) -> None:
        """Return once the coordinator has told all that had happened by now; `ConnectionError` if the session is over."""
        number, answered = next(self._numbers), threading.Event()
        self._answered[number] = answered
        self._outgoing.put(pb.ClientInMessage(sync=pb.Sync(id=number)))
        deadline = time.monotonic() + ONE_ANSWER
        while not answered.wait(0.02):
            if self.broken.is_set() or time.monotonic() > deadline:
                raise ConnectionError("no answer")

    def end(self) -> None:
        """Leave."""
        self._outgoing.put(None)
        self._call.cancel()

    def _listen(self) -> None:
        try:
            for message in self._call:
                for update in message.updates:
                    self._take(update)
                if message.HasField("sync"):
                    self._answered.pop(message.sync.id).set()
        except grpc.RpcError:
            pass
        finally:
            self.broken.set()
            self._outgoing.put(None)

    def _take(self, update: Any) -> None:
        match update.WhichOneof("kind"):
            case "place":
                self.owners[update.place.name] = update.place.acquired
                self._changed(self, update.place.name)
            case "del_place":
                self.owners.pop(update.del_place, None)
                self._changed(self, update.del_place)


class Agent:
    """One user of the coordinator. Requests come from one thread; others watch the sessions."""

    def __init__(self, address: str, name: str, held: list[str]) -> None:
        self._stub: Any = rpc.CoordinatorStub(grpc.insecure_channel(address, OPTIONS))
        self._name = name
        self._held = set(held)
        self._lost: dict[str, str] = {}
        self._tokens: set[str] = set()
        self._session: Session | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def owners(self, patience: float) -> dict[str, str]:
        """Who has each place."""
        owners: dict[str, str] = self._asked(patience, lambda session: session.owners)
        return owners

    def publish(self, patience: float, places: dict[str, dict[str, str]], matches: dict[str, str]) -> None:
        """Make places with these tags and matches, or bring them up to date."""

        def publish(_: Session) -> None:
            known = {each.name: each for each in self._call("GetPlaces", pb.GetPlacesRequest()).places}
            for place, tags in places.items():
                if place not in known:
                    self._call("AddPlace", pb.AddPlaceRequest(name=place))
                if place not in known or matches[place] not in map(_pattern, known[place].matches):
                    self._call("AddPlaceMatch", pb.AddPlaceMatchRequest(placename=place, pattern=matches[place]))
                if place not in known or dict(known[place].tags) != tags:
                    self._call("SetPlaceTags", pb.SetPlaceTagsRequest(placename=place, tags=tags))

        self._asked(patience, publish)

    def reserve(self, patience: float, wanted: dict[str, str]) -> str:
        """Stand in line for a place that has the tags; returns the token of the reservation."""
        wish = pb.CreateReservationRequest(filters={"main": pb.Reservation.Filter(filter=wanted)}, prio=0.0)
        token = str(self._asked(patience, lambda _: self._call("CreateReservation", wish)).reservation.token)
        self._tokens.add(token)
        return token

    def poll(self, patience: float, token: str) -> dict[str, str | None]:
        """What became of a reservation, and the place that it was given."""
        asked = pb.PollReservationRequest(token=token)
        found = self._asked(patience, lambda _: self._call("PollReservation", asked)).reservation
        return {"state": STATES[found.state], "place": found.allocations.get("main")}

    def cancel(self, patience: float, token: str) -> None:
        """Give a reservation up."""
        self._tokens.discard(token)
        self._asked(patience, lambda _: self._call("CancelReservation", pb.CancelReservationRequest(token=token)))

    def acquire(self, patience: float, place: str) -> None:
        """Have the place."""

        def acquire(session: Session) -> None:
            if place not in session.owners:
                raise Refused("unknown", f"there is no place {place}")
            if session.owners[place] not in ("", self._name):
                raise Refused("taken", f"place {place} is acquired by {session.owners[place]}")
            if not session.owners[place]:
                self._call("AcquirePlace", pb.AcquirePlaceRequest(placename=place))
                session.await_answer()  # what is told late, of the time before it was ours, is told by then
            self._lost.pop(place, None)
            self._held.add(place)

        self._asked(patience, acquire)

    def check(self, patience: float, place: str) -> None:
        """`Refused` unless the place is held at this moment."""

        def check(session: Session) -> None:
            owner = session.owners.get(place)
            if owner == self._name and place in self._held:
                return
            self._held.discard(place)
            raise Refused("lost", self._lost.get(place) or f"place {place} is acquired by {owner or 'nobody'}")

        self._asked(patience, check)

    def release(self, patience: float, place: str, owner: str | None = None) -> None:
        """Have the place no longer, or see to it that `owner` does not."""
        if owner is None:
            self._held.discard(place)
        had = pb.ReleasePlaceRequest(placename=place, fromuser=owner or self._name)
        self._asked(patience, lambda _: self._call("ReleasePlace", had))

    def leave(self) -> None:
        """Give back all that is held or reserved, if the coordinator is there."""
        session = self._session
        if session is None or session.broken.is_set():
            return
        undo = [(self.cancel, token) for token in self._tokens] + [(self.release, place) for place in tuple(self._held)]
        for act, what in undo:
            try:
                act(1.0, what)
            except Refused:
                continue  # the next run of this PC sees to what is left
        session.end()

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=ONE_ANSWER)
        except grpc.RpcError as error:
            away = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            if away or "valid session" in str(error.details()):
                raise ConnectionError(error.details()) from error
            raise Refused("refused", str(error.details())) from error

    def _asked(self, patience: float, ask: Callable[[Session], Any]) -> Any:
        """What `ask` returns, once the coordinator is there and knows us; `Refused` if that takes too long."""
        deadline = time.monotonic() + patience
        while True:
            session = self._session
            if session is not None and not session.broken.is_set():
                try:
                    session.await_answer()
                    return ask(session)
                except ConnectionError:
                    pass  # it went away; another session may follow
            if time.monotonic() > deadline:
                raise Refused("away", f"the coordinator does not answer within {patience:g} s")
            time.sleep(PAUSE / 4)

    def _watch(self) -> None:
        """Have a session; each time that it breaks another, in which what was held is acquired again."""
        while True:
            session = Session(self._stub, self._name, self._changed)
            try:
                session.await_answer()
                self._acquire_again(session)
                self._session = session
                session.broken.wait()
            except ConnectionError:
                pass
            session.end()
            time.sleep(PAUSE)

    def _acquire_again(self, session: Session) -> None:
        for place in [place for place in tuple(self._held) if session.owners.get(place) == ""]:
            try:
                self._call("AcquirePlace", pb.AcquirePlaceRequest(placename=place))
            except Refused:
                continue  # others were quicker, which the next check sees
        session.await_answer()

    def _changed(self, session: Session, place: str) -> None:
        """A place that is ours, and has another owner or none, was taken away by hand: it is not acquired again."""
        owner = session.owners.get(place)
        if session is self._session and place in self._held and owner != self._name:
            self._held.discard(place)
            self._lost[place] = f"place {place} was acquired by {owner}" if owner else f"place {place} was released by hand"


def _pattern(match: Any) -> str:
    return f"{match.exporter}/{match.group}/{match.cls}"


def main() -> None:
    """Answer requests."""
    address, name, *held = sys.argv[1:]
    agent = Agent(address, name, held)
    try:
        for line in sys.stdin:
            request = json.loads(line)
            act = getattr(agent, request.pop("do"))
            try:
                answer = {"answer": act(**request)}
            except Refused as refusal:
                answer = {"kind": refusal.kind, "text": str(refusal)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    finally:
        agent.leave()


if __name__ == "__main__":
    main()
