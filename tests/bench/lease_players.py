"""Holders of leases in processes of their own, forked from here so that each starts at once.

Reads a line a player, `[what, folder, arguments]` as JSON, and answers each with what became of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from hil.bench.lease import InUse, Lease
from hil.bench.lease_book import Holding

PHONES = {f"phone-{number}": Holding(bench="lab", phone=f"phone-{number}") for number in range(4)}


def kill_at(folder: str, step: int) -> None:
    """Have this process killed, as by SIGKILL, when it comes to its n-th step: whatever it does to a path in the folder."""
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        on_disk = event in ("open", "fcntl.flock") or event.startswith("os.")
        if on_disk and (event == "fcntl.flock" or any(str(argument).startswith(folder) for argument in arguments[:2])):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def life(folder: str, step: int) -> int:
    """A lease from its beginning to its end, cut short at a step."""
    kill_at(folder, step)
    lease = Lease(Path(folder), "a life")
    lease.take({name: PHONES[name] for name in ("phone-0", "phone-1")})
    lease.renew()
    lease.check(["phone-0"], bench="lab", phone="phone-0", port="1")
    lease.take({"phone-2": PHONES["phone-2"]})
    lease.give_back(["phone-1"])
    lease.release()
    return 0


def contend(folder: str, seed: int) -> int:
    """Take two phones again and again; a file for each shows that nobody else has it. Exits with how often it got them."""
    names = [f"phone-{(seed + step) % 4}" for step in (0, 1)]
    got = 0
    for _ in range(25):
        lease = Lease(Path(folder), "contention")
        try:
            lease.take({name: PHONES[name] for name in names})
        except InUse:
            continue
        for name in names:
            os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_EXCL))
        lease.check(names, bench="lab", phone=names[0], port="1")
        for name in names:
            Path(folder, name).unlink()
        lease.release()
        got += 1
    return got


def hold(folder: str, _: int) -> int:
    """Hold two phones, and say so, until the end."""
    lease = Lease(Path(folder), "holding")
    lease.take({name: PHONES[name] for name in ("phone-0", "phone-1")})
    Path(folder, f"held by {os.getpid()}").touch()
    signal.pause()
    return 0


PLAYS: dict[str, Callable[[str, int], int]] = {"life": life, "contend": contend, "hold": hold}


def main() -> None:
    """Fork the players that are asked for; each line has those that play at the same time."""
    for line in sys.stdin:
        children = []
        for what, folder, argument in json.loads(line):
            child = os.fork()
            if child == 0:
                try:
                    os._exit(PLAYS[what](folder, argument))
                except BaseException as error:  # noqa: BLE001
                    sys.stderr.write(f"{type(error).__name__}: {error}\n")
                    sys.stderr.flush()
                    os._exit(99)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
