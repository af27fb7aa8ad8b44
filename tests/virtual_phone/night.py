"""Boots the virtual phone in a namespace of its own; run as root of a network namespace, prints what was seen as JSON.

dnsmasq gives the address, an HTTP server the files (and hands SCEP on to Debian's scepserver), a
socket each the time and the syslog.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

MAC, SERIAL = "c8:1f:ea:83:e8:5a", "19wz1234567A"
RIG = "10.66.0.1"
NOON = 1_800_000_000  # what the rig's SNTP server says
PATIENCE = 60.0


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((RIG, 8080), Handler)
        self.files: dict[str, str] = {}
        self.seen: list[dict[str, str]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, body: bytes | None) -> None:
        agent = self.headers["User-Agent"]
        self.server.seen.append({"method": self.command, "target": self.path[:90], "agent": agent})
        path, _, query = self.path.partition("?")
        if path.startswith("/scep/"):
            ca = http.client.HTTPConnection("127.0.0.1", 2016, timeout=20)
            ca.request(self.command, f"/scep?{query}", body)
            answer = ca.getresponse()
            self._reply(answer.status, answer.read(), answer.headers["Content-Type"] or "text/plain")
        elif path in self.server.files:
            self._reply(200, self.server.files[path].encode(), "text/plain")
        else:
            self._reply(404, b"", "text/plain")

    def _reply(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: what was asked for stands in `seen`."""


def command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


def answer_sntp(port: socket.socket) -> None:
    while True:
        request, client = port.recvfrom(512)
        now = struct.pack("!II", NOON + 2208988800, 0)
        port.sendto(bytes([0x24, 2, 0, 0]) + bytes(12) + now + request[40:48] + now + now, client)


def collect(port: socket.socket, lines: list[str]) -> None:
    while True:
        lines.append(port.recv(2048).decode("ascii"))


@contextlib.contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=20)


def until(running: subprocess.Popen[str], text: str) -> list[str]:
    """Lines of the process's stderr until one holds `text`."""
    lines: list[str] = []
    assert running.stderr is not None
    deadline = time.monotonic() + PATIENCE
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(running.stderr, selectors.EVENT_READ)
        while not any(text in line for line in lines):
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise TimeoutError(f"no {text!r} in\n" + "\n".join(lines))
            received = os.read(running.stderr.fileno(), 65536)
            if not received:
                raise EOFError("ended with\n" + "\n".join(lines))
            *whole, buffer = (buffer + received).split(b"\n")
            lines += [line.decode() for line in whole]
    return lines


def boot(flash: Path, *options: str, end: str = "boot finished") -> list[str]:
    """Power on, until the phone says `end`, power off."""
    command("ip", "link", "add", "rig0", "type", "veth", "peer", "name", "eth0", "address", MAC)
    command("ip", "addr", "add", f"{RIG}/24", "dev", "rig0")
    command("ip", "link", "set", "rig0", "up")
    own = Path("/proc/self/ns/net").readlink()
    words = [sys.executable, "-X", "importtime", "-m", "hil.virtual.phone", "--model", "J179", "--mac", MAC, "--serial", SERIAL]
    words += ["--firmware", "4.1.3.0.6", "--flash", str(flash), "--rate", "60", "--boot-delay", "1", *options]
    with process("unshare", "-n", *words) as phone:
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{phone.pid}/ns/net").readlink() == own:
            assert time.monotonic() < deadline
            os.sched_yield()
        command("ip", "link", "set", "eth0", "netns", str(phone.pid))
        lines = until(phone, end)
        phone.send_signal(signal.SIGKILL)
    subprocess.run(["ip", "link", "del", "rig0"], capture_output=True, timeout=20, check=False)
    return lines


def settings(**values: str) -> str:
    common = {"SNTPSRVR": RIG, "SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7", "LOGSRVR": RIG, "LOG_CATEGORY": "CERTMGMT,NETMGR"}
    return "".join(f'SET {name} "{value}"\r\n' for name, value in {**common, **values}.items())


def night(folder: Path) -> dict[str, object]:
    depot = folder / "depot"
    command("ip", "link", "set", "lo", "up")
    command("scepserver", "ca", "-init", "-keySize", "2048", "-years", "2", "-organization", "Lab", "-depot", str(depot))
    # The servers' address has to stay while the phone's link comes and goes.
    command("ip", "addr", "add", f"{RIG}/32", "dev", "lo")
    server = Server()
    syslog: list[str] = []
    with contextlib.ExitStack() as stack:
        clock, log = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        clock.bind((RIG, 123))
        log.bind((RIG, 514))
        for work in ((answer_sntp, clock), (collect, log, syslog)):
            threading.Thread(target=work[0], args=work[1:], daemon=True).start()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ca = stack.enter_context(
            process("scepserver", "-depot", str(depot), "-port", "2016", "-challenge", SERIAL.upper(), "-allowrenew", "0")
        )
        until(ca, "listen")
        lease = "--dhcp-range=10.66.0.50,10.66.0.60,255.255.255.0,42d"
        site = f"--dhcp-option=242,HTTPSRVR={RIG},HTTPPORT=8080,HTTPDIR=/files/$MODEL4"
        quiet = ("--port=0", "--no-ping", "--log-dhcp", "--log-facility=-", "--user=root", "--conf-file=/dev/null")
        where = (f"--dhcp-leasefile={folder / 'leases'}", "--pid-file=", "--bind-dynamic", "--interface=rig0")
        dhcp = stack.enter_context(process("dnsmasq", "--no-daemon", *quiet, *where, lease, site))
        server.files["/files/J179/J100Supgrade.txt"] = "IF $MODEL4 SEQ J139 GOTO OTHER\nGET 46xxsettings.txt\n# OTHER\n"
        server.files["/files/J179/46xxsettings.txt"] = settings(MYCERTURL="http://ignored/") + "GET $MACADDR.txt\r\n"
        own = {
            f"MYCERTURL{slot}": f"http://{RIG}:8080/scep{slot}/pkiclient.exe".replace("scep", "scep/p")
            for slot in ("", "_2", "_3")
        }
        server.files["/files/J179/c81fea83e85a.txt"] = settings(
            **own,
            MYCERTDN="/C=US/O=Lab",
            MYCERTCN_2="J100-$MACADDR",
            MYCERTCN_3="$MACADDR_UPPER",
            SCEPENCALG="1",
            SCEPENCALG_2="0",
        )
        cut = boot(folder / "cut", "--variant", "slow-flash", end="profile 1: certificate received")
        after_cut = sorted(path.name for path in (folder / "cut").iterdir())
        del server.seen[:], syslog[:]
        first = boot(folder / "flash", "--variant", "self-restart", "--variant", "clock-1970")
        leases = (folder / "leases").read_text()
        seen, said = list(server.seen), list(syslog)
        del server.seen[:]
        second = boot(folder / "flash")
        dhcp.terminate()
        offers = dhcp.communicate(timeout=20)[1]
    return {
        "cut": cut,
        "after_cut": after_cut,
        "first": [line for line in first if not line.startswith("import")],
        "modules": sorted({found[1] for line in first if (found := re.search(r"\|\s+(hil[\w.]*)$", line))}),
        "seen": seen,
        "syslog": said,
        "second": [line for line in second if not line.startswith("import")],
        "seen_later": server.seen,
        "flash": {path.name: json.loads(path.read_text()) for path in (folder / "flash").iterdir()},
        "leases": leases,
        "dhcp": offers,
    }


if __name__ == "__main__":
    json.dump(night(Path(sys.argv[1])), sys.stdout)
