"""The bench's CA beside Debian's scepserver under the same load: enrolments in a second, CPU time of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks.enrolments import CLIENTS, KEY_BITS, OLD, Load, applicants, new_keys, play
from benchmarks.measure import Claim, Scale, cores, kept_on
from benchmarks.servers import Server, our_lab, scepserver

NEEDS = {"scepserver": "scep"}
TARGET = 3.0


def measure(scale: Scale, folder: Path) -> Iterator[Claim]:
    """Each round has both servers new, on the same core, and each key once at each of them."""
    core, _ = cores()
    keys = new_keys(scale.enrolments)
    ours: list[Load] = []
    theirs: list[Load] = []
    for number in range(scale.rounds):
        ours.append(_load(our_lab(folder / f"ours-{number}", core), keys))
        theirs.append(_load(scepserver(folder / f"theirs-{number}", core), keys))
    how = (
        f"{scale.enrolments} PKCSReq by POST made beforehand, {CLIENTS} at once, a connection for each, RSA {KEY_BITS},"
        " DES and SHA-1 since scepserver replies in no other, a challenge password; each server alone on one core;"
        f" of {scale.rounds * scale.enrolments} we refused {_refused(ours)}, scepserver {_refused(theirs)}, which are not counted"
    )
    yield Claim(
        "CA, enrolments in a second",
        "1/s",
        "scepserver",
        [load.rate for load in ours],
        [load.rate for load in theirs],
        TARGET,
        how,
    )
    yield Claim(
        "CA, CPU time of an enrolment",
        "ms",
        "scepserver",
        [1000 * load.cpu for load in ours],
        [1000 * load.cpu for load in theirs],
        TARGET,
        how,
        less_is_better=True,
    )


def _refused(loads: Sequence[Load]) -> int:
    return sum(load.refused for load in loads)


def _load(server: AbstractContextManager[Server], keys: Sequence[RSAPrivateKey]) -> Load:
    _, core = cores()
    with server as (url, pid), kept_on(core):
        for key in keys[:CLIENTS]:  # one after another: a new scepserver refuses some of the first if they come at once
            play(url, pid, applicants([key], OLD), OLD)
        return play(url, pid, applicants(keys, OLD), OLD)
