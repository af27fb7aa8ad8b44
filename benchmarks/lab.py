"""The bench's servers in a process of their own, as `python -m benchmarks.lab FOLDER`; prints the SCEP URL, ends with its input.

The CA is new, its key of 2048 bits, and asks for the challenge password that stands in the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hil.clock import ScaledClock
from hil.evidence import scep_path
from hil.scep import signers
from hil.scep.authority import Authority
from hil.secret import Secret
from hil.services.lab import Lab

CHALLENGE_VARIABLE = "BENCHMARK_CHALLENGE"


def main(state: Path) -> None:
    """Serve until the standard input ends."""
    clock = ScaledClock()
    authority = Authority.create("Lab CA", clock)
    asked = signers.challenge(Secret(os.environ[CHALLENGE_VARIABLE]))
    with Lab(clock=clock, authority=authority, state=state) as lab:
        lab.script("phone", 1, signer=signers.chain(asked, to=signers.issue(authority)))
        sys.stdout.write(f"http://127.0.0.1:{lab.http_port}{scep_path('phone', 1)}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
