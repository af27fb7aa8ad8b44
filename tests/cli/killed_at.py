"""Runs of `hil` that kill themselves, as by SIGKILL, at their n-th step; each is forked from here and so starts at once,
the more so with the modules loaded that the arguments name.

Reads a run a line, `[folder, n, arguments, stdin]` as JSON, and answers each with its exit code. A step is
whatever it does to a path in the folder, and each connection that it makes.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from importlib import import_module

from hil.cli.main import main


def kill_at(folder: str, step: int) -> None:
    """Have this process killed when it comes to the step."""
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        on_disk = event == "open" or event.startswith("os.")
        if event == "socket.connect" or (on_disk and any(str(argument).startswith(folder) for argument in arguments[:2])):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


for module in sys.argv[1:]:
    import_module(module)
for line in sys.stdin:
    folder, step, arguments, stdin = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv[1:], sys.stdin = arguments, io.StringIO(stdin)
        kill_at(folder, step)
        main()
    sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
    sys.stdout.flush()
