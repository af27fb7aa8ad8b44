"""The bench's servers for phones that ask for their files: `python -m benchmarks.settings_lab STATE FOLDER PHONES`.

Prints the URL, ends with its input. Each phone is known by its address and has files of its own, as on a bench.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.phones import FILES, address_of
from hil.clock import ScaledClock
from hil.scep.authority import Authority
from hil.services.access import AccessLogs
from hil.services.lab import Lab


def main(state: Path, folder: Path, phones: int) -> None:
    """Serve until the standard input ends."""
    clock = ScaledClock()
    authority = Authority.create("Lab CA", clock)
    lab = Lab(clock=clock, authority=authority, state=state)
    with AccessLogs(state / "access", lab.events), lab:
        for phone in range(phones):
            lab.place(f"phone-{phone}", address_of(phone))
            lab.publish(f"phone-{phone}", "/", {name: (folder / name).read_bytes() for name in FILES})
        sys.stdout.write(f"http://127.0.0.1:{lab.http_port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
