"""Runs on a bench that are killed by SIGKILL on their way; each is forked from here and so starts at once.

`killed_runs.py TESTBED`, then a run a line: `[what, step, seconds]` as JSON. It `recover`s, and for `cycle` turns both phones
off and on as well; it kills itself at the step of that number, or is killed after the seconds, or neither. A step is
what may leave the journal's file or an outlet another than it was. Answers the child's pid and then its end:
`[exit code, seconds]`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
import types

from hil.bench.bench import bench_for
from hil.bench.testbed import Testbed, load
from hil.errors import LabFault, Misuse

POWER = "/hil/bench/power/"
"""Where calls are made that are steps; a lease has tests of its own."""


def main() -> None:
    """Play what standard input says."""
    testbed = load(sys.argv[1])
    if testbed.power.kind in ("ssh", "serial"):
        importlib.import_module("netmiko")  # which takes as long as all else
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        what, step, seconds = json.loads(line)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            play(testbed, what, step)
        say(child)
        if seconds is not None and signal.sigtimedwait({signal.SIGCHLD}, seconds) is None:
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.sigtimedwait({signal.SIGCHLD}, 0)
        say([code, time.monotonic() - start])


def say(fact: object) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def play(testbed: Testbed, what: str, step: int | None) -> None:
    """Be the run, and end this process: 0 well, 1 with a fault that a user is told, 2 otherwise."""
    if step is not None:
        kill_at(step)
    code = 2  # an exception that nobody meets on purpose
    try:
        with bench_for(testbed) as bench:
            bench.recover()
            ports = [bench.power(phone.name) for phone in testbed.phones]
            if what == "cycle":
                for port in ports:
                    port.off()
                for port in ports:
                    port.on()
        code = 0
    except (LabFault, Misuse) as told:
        sys.stderr.write(f"{told}\n")
        code = 1
    finally:
        if code == 2:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


def kill_at(step: int) -> None:
    """Have this process killed before its step of that number."""
    left, sync = step, os.fsync

    def count(frame: types.FrameType | None) -> None:
        nonlocal left
        while frame is not None and POWER not in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def counted_sync(descriptor: int) -> None:
        count(sys._getframe(1))
        sync(descriptor)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        written = event == "open" and str(arguments[0]).endswith(".new")
        if written or event in ("os.rename", "subprocess.Popen"):
            count(sys._getframe(1))

    os.fsync = counted_sync
    sys.addaudithook(hear)


main()
