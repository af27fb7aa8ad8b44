"""Reads hostile inputs, each in a process that the kernel ends where it takes more than it may.

limited.py KIND; for each input on stdin, after its length in 8 octets, a line with the exit code of
the process that read it: 0, 2 for too much memory, 3 for any other exception, or minus a signal.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from targets import lab

from hil.asn1 import Malformed
from hil.capture.files import CaptureFile
from hil.capture.transcript import read_packets
from hil.clock import ManualClock
from hil.identity import Identity
from hil.scep.endpoint import Endpoint
from hil.scep.messages import read_certificates, read_message
from hil.scep.personas import PERSONAS, Admission
from hil.settings.explain import explanation
from hil.settings.interpret import interpret

OUT_OF_MEMORY, RAISED = 2, 3
_IDENTITY = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")


def _message(data: bytes) -> None:
    read_message(data, keys=(lab.key("ca"), lab.key("phone")))


def _certificates(data: bytes) -> None:
    read_certificates(data)


def _endpoint() -> Endpoint:
    persona = PERSONAS["rfc8894"]
    return persona.endpoint(persona.service(lab.authority(), Admission(lab.PASSWORD), clock=ManualClock(lab.NOW)))


def _get(data: bytes) -> None:
    _endpoint().answer("GET", data.decode("utf-8", "surrogateescape"))


def _post(data: bytes) -> None:
    _endpoint().answer("POST", "/?operation=PKIOperation", data)


def _settings(data: bytes) -> None:
    explanation(interpret("46xxsettings.txt", {"46xxsettings.txt": data}.get, _IDENTITY), _IDENTITY)


def _settings_without_end(data: bytes) -> None:
    """Each file gets another one with the same lines."""
    explanation(interpret("0", lambda name: data + b"GET %d\n" % (int(name) + 1), _IDENTITY), _IDENTITY)


def _capture(data: bytes) -> None:
    read_packets(CaptureFile(data), "trap", keys=(lab.key("ca"),))


def _spins(data: bytes) -> None:
    for _ in range(10**12):
        pass


def _hoards(data: bytes) -> None:
    bytearray(101 * 2**20)


def _raises(data: bytes) -> None:
    raise ValueError("on purpose")


@dataclass(frozen=True)
class Kind:
    """How inputs are read, within how many seconds of processor time and MiB beside the input."""

    read: Callable[[bytes], None]
    seconds: int = 1
    memory: int = 100


KINDS = {
    "message": Kind(_message),
    "certificates": Kind(_certificates),
    "get": Kind(_get),
    "post": Kind(_post),
    "settings": Kind(_settings, seconds=2),
    "settings without end": Kind(_settings_without_end, seconds=5),
    "spins": Kind(_spins),
    "hoards": Kind(_hoards),
    "raises": Kind(_raises),
    "capture": Kind(_capture, seconds=3, memory=50),
}


def read_limited(kind: Kind, data: bytes) -> int:
    """Exit code of a process that reads the input."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + kind.memory * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (kind.seconds, kind.seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = RAISED
    try:
        kind.read(data)
        code = 0
    except Malformed:
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    except Exception:  # noqa: BLE001 - whatever it is, it is told and the process ends
        traceback.print_exc()
    os._exit(code)


def main(kind: str) -> None:
    """Read inputs until there are no more."""
    while size := sys.stdin.buffer.read(8):
        data = sys.stdin.buffer.read(int.from_bytes(size, "big"))
        sys.stdout.write(f"{read_limited(KINDS[kind], data)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
