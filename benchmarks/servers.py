"""The servers that are compared, each new, in a process of its own, on one core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.enrolments import CHALLENGE
from benchmarks.lab import CHALLENGE_VARIABLE
from benchmarks.measure import on_core
from hil.errors import LabFault

PORT = "2016"
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log combined;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {files};
    }}
}}
"""
ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 10


class Server(NamedTuple):
    """A running server."""

    url: str
    pid: int


def our_lab(folder: Path, core: int) -> AbstractContextManager[Server]:
    """The servers of a bench, at the URL of SCEP."""
    return _ours(core, "benchmarks.lab", str(folder))


def our_files(folder: Path, files: Path, phones: int, core: int) -> AbstractContextManager[Server]:
    """The servers of a bench with so many phones, each of which is offered the files of a folder."""
    return _ours(core, "benchmarks.settings_lab", str(folder), str(files), str(phones))


@contextmanager
def _ours(core: int, module: str, *words: str) -> Iterator[Server]:
    """A module of ours that prints its URL and ends with its input."""
    command = on_core(core, sys.executable, "-m", module, *words)
    environment = {**os.environ, CHALLENGE_VARIABLE: CHALLENGE}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    with process, _ended(process):
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise LabFault("the bench's servers do not start", tried=" ".join(command))
        yield Server(url, process.pid)
        process.stdin.close()
        process.wait(_PATIENCE)


@contextmanager
def scepserver(folder: Path, core: int) -> Iterator[Server]:
    """Debian's scepserver (package scep), which listens on every interface: for a network of its own alone."""
    folder.mkdir()
    made = ["scepserver", "ca", "-init", "-organization", "Lab", "-keySize", "2048"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    command = on_core(core, "scepserver", "-depot", "depot", "-port", PORT, f"-challenge={CHALLENGE}", "-allowrenew", "0")
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process, _ended(process):
        assert process.stderr is not None
        if not any("listening" in line for line in process.stderr):
            raise LabFault("scepserver does not start", tried=" ".join(command[3:5]))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # so that its log never blocks it
        yield Server(f"http://127.0.0.1:{PORT}/scep", process.pid)
        process.terminate()
        process.wait(_PATIENCE)


@contextmanager
def nginx(folder: Path, files: Path, core: int) -> Iterator[Server]:
    """Debian's nginx (package nginx-light) with the files of a folder, as one process."""
    folder.mkdir()
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, files=files, port=port))
    command = on_core(core, "nginx", "-e", "stderr", "-c", str(configuration))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process, _ended(process):
        _wait_for(port, process)
        yield Server(f"http://127.0.0.1:{port}", process.pid)
        process.terminate()
        process.wait(_PATIENCE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Return once something listens at the port; `LabFault` with the last words of a process that ends before, or never does."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is None:
                time.sleep(0.02)
                continue
            break
        return
    process.kill()
    said = process.stderr.read() if process.stderr else ""
    raise LabFault("nginx does not start", port=str(port), tried="start it", seen=said.strip()[-500:])


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let the process not outlive the block, whatever happens in it."""
    try:
        yield
    finally:
        process.kill()
