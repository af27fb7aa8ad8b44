"""A unix socket at which programs, started by others, ask for what a box says: one line in, one line out."""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

CLIENT = """
import os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
with link.makefile("rw") as desk:
    desk.write(" ".join(sys.argv[2:]) + "\\n")
    desk.flush()
    said = desk.readline().strip()
    if said == "killed":
        os.kill(os.getpid(), 9)
    if said == "silent":
        desk.readline()
    print(said)
    sys.exit(said.startswith("error"))
"""
"""A program that says its words at the desk and prints the answer."""


class Desk:
    """Serves `answer` at the socket `path`; answers have no line ends."""

    def __init__(self, path: Path, answer: Callable[[str], str]) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    for line in self.rfile:
                        self.wfile.write(answer(line.decode().rstrip("\n")).encode() + b"\n")
                        self.wfile.flush()

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.command = (sys.executable, "-I", "-S", "-c", CLIENT, str(path))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
