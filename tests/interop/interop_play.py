"""Plays the whole matrix; run as root of a network of its own: interop_play.py FOLDER

Leaves in FOLDER what each client got, everything that crossed the wire, and `played.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from interop_cells import BAD_PASSWORD, ENROL, NEEDS_A_CERTIFICATE, OPERATIONS, POLL, Cell, Played, cells, save
from interop_own import HilClient, HilEnroll
from interop_peers import Certmonger, Pki, Ran, Scepclient
from interop_phone import CABLE, SERIAL, PhoneRig, cable
from interop_phone import NAME as PHONE
from interop_seats import GATEWAY, GUESSED, SCEPSERVER, SERVERS, Seat, Servers, must

from hil.capture.recorder import Recorder, Source
from hil.scenario import Issue, Pend

WIRE, PLAYED = "wire.pcapng", "played.json"
_AT_ONCE = 10
_PROFILES = 3
CELLS = frozenset(cells())


class Client(Protocol):
    """A program that asks a server for a certificate, or for something else that `operation` names."""

    name: str

    def ask(self, seat: Seat, folder: Path, password: str, operation: str, /) -> Ran:
        """How it ended; `folder` is where it keeps what it has from `seat`."""


def take_seat(servers: Servers, client: str, server: str, operation: str, host: str = "127.0.0.1", slot: int = 1) -> Seat:
    """A seat for what begins with `operation`; a poll has something to wait for."""
    answers = (Pend(), Issue()) if operation == POLL else (Issue(),)
    common_name = SERIAL if client == PHONE else None
    name = f"{client}-{operation}".replace(" ", "-")
    return servers.seat(server, name, answers=answers, host=host, slot=slot, common_name=common_name)


def password_for(seat: Seat, operation: str) -> str:
    """The right one, or a wrong one where that is the point."""
    return GUESSED if operation == BAD_PASSWORD else seat.admit()


def report(cell: Cell, seat: Seat, ran: Ran, began: datetime, answered: int = 0) -> Played:
    """What came of a cell, beyond the `answered` lines that the ledger had before."""
    entries = [line.entry for line in seat.ledger()[answered:]]
    return Played(
        cell=cell,
        code=ran.code,
        said=ran.said,
        got=_kept(ran.got, cell),
        key=_kept(ran.key, cell),
        address=seat.address,
        path=seat.path,
        anchor=str(seat.anchor),
        common_name=seat.common_name,
        began=began,
        ended=datetime.now(UTC),
        ledger=tuple(
            (" ".join(filter(None, (entry.message_type, entry.answer, entry.fail_info))), entry.serial) for entry in entries
        ),
    )


def _kept(file: Path, cell: Cell) -> str | None:
    """A copy that the next operation does not change."""
    if not file.exists():
        return None
    copy = file.with_name(f"{cell.operation} {file.name}")
    copy.write_bytes(file.read_bytes())
    return str(copy)


def stories(client: str) -> Iterator[tuple[str, ...]]:
    """Operations that one identity does one after another: what needs a certificate follows the enrolment."""
    yield (ENROL, *(operation for operation in OPERATIONS[client] if operation in NEEDS_A_CERTIFICATE))
    for operation in OPERATIONS[client]:
        if operation != ENROL and operation not in NEEDS_A_CERTIFICATE:
            yield (operation,)


def tell(client: Client, server: str, story: Sequence[str], servers: Servers, folder: Path) -> list[Played]:
    """A story as far as it comes: without the certificate that it begins with it ends."""
    seat = take_seat(servers, client.name, server, story[0])
    own = folder / client.name.replace(" ", "-") / server / story[0].replace(" ", "-")
    own.mkdir(parents=True)
    told: list[Played] = []
    for operation in story:
        if told and told[0].got is None:
            break
        password, answered, began = password_for(seat, operation), len(seat.ledger()), datetime.now(UTC)
        ran = client.ask(seat, own, password, operation)
        told.append(report(Cell(client.name, server, operation), seat, ran, began, answered))
    return told


def boots() -> Iterator[list[Cell]]:
    """What the phone does in each boot, a cell a profile; at scepserver alone, where all seats have one address."""
    for operation in OPERATIONS[PHONE]:
        wanted = [cell for server in SERVERS if (cell := Cell(PHONE, server, operation)) in CELLS]
        others = [cell for cell in wanted if cell.server != SCEPSERVER]
        yield from (others[start : start + _PROFILES] for start in range(0, len(others), _PROFILES))
        if len(wanted) > len(others):
            yield [cell for cell in wanted if cell.server == SCEPSERVER]


def boot(rig: PhoneRig, servers: Servers, chosen: Sequence[Cell], name: str) -> list[Played]:
    """One boot of the phone."""
    seats = [take_seat(servers, PHONE, cell.server, cell.operation, GATEWAY, slot) for slot, cell in enumerate(chosen, 1)]
    passwords = [password_for(seat, cell.operation) for seat, cell in zip(seats, chosen, strict=True)]
    began = datetime.now(UTC)
    fared = rig.boot(list(zip(seats, passwords, strict=True)), name)
    return [report(cell, seat, ran, began) for cell, seat, ran in zip(chosen, seats, fared, strict=True)]


def main(folder: Path) -> None:
    must("ip", "link", "set", "lo", "up")
    with cable() as network, Servers(folder) as servers, PhoneRig(servers, folder / "phone", network) as rig:
        recorder = Recorder([Source("lo", "tcp"), Source(CABLE, "tcp")], folder / WIRE, "dumpcap")
        recorder.start()
        clients: list[Client] = [Scepclient(folder), Certmonger(), Pki(folder), HilClient(), HilEnroll()]
        work = [(client, server, story) for client in clients for story in stories(client.name) for server in SERVERS]
        work = [one for one in work if Cell(one[0].name, one[1], one[2][0]) in CELLS]
        work.sort(key=lambda one: one[2] != (POLL,))  # these mostly wait
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            phone = pool.submit(lambda: [boot(rig, servers, chosen, f"boot-{nth}") for nth, chosen in enumerate(boots())])
            others = [pool.submit(tell, *one, servers, folder) for one in work]
            played = [one for done in (*phone.result(), *(other.result() for other in others)) for one in done]
        summary = recorder.stop()
        if not summary.complete:
            raise RuntimeError(f"the capture is not whole: {summary.problems}")
    save(played, folder / PLAYED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
