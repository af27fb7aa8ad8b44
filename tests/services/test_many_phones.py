"""A thousand phones that start at once, many that fetch an image, and what is logged of each."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.measure import cores
from benchmarks.phones import FILES, rounds
from benchmarks.servers import our_files
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.scep.ca import Authority
from hil.services.access import STRAYS, AccessLogs
from hil.services.events import EventStream
from hil.services.lab import Lab

PHONES = 1_000
COMBINED = re.compile(r'(\S+) - (\S+) \[[^\]]+\] "(\S+) (\S+) HTTP/1\.1" (\S+) (\d+) "-" "([^"]*)" (\S+) (whole|cut)\n')


def test_a_thousand_phones_at_once_all_get_whole_files(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name, size in zip(FILES, (60, 16_000), strict=True):
        (files / name).write_bytes(os.urandom(size))
    with our_files(tmp_path / "lab", files, PHONES, cores()[0]) as server:
        port = int(server.url.rpartition(":")[2])
        (told,) = rounds(port, PHONES, 1, files)
    assert told["errors"] == {}
    assert len(told["requests"]) == PHONES * len(FILES)
    logs = list((tmp_path / "lab" / "access").iterdir())
    assert len(logs) == PHONES
    assert {len(log.read_text().splitlines()) for log in logs} == {len(FILES)}


@contextmanager
def image_server(folder: Path, size: int) -> Iterator[subprocess.Popen[str]]:
    """A lab in a process of its own that serves one image of that many octets."""
    program = (
        "import sys; from pathlib import Path; from hil.clock import ScaledClock; from hil.scep.ca import Authority\n"
        "from hil.services.lab import Lab\n"
        "clock, folder = ScaledClock(), Path(sys.argv[1])\n"
        "with Lab(clock=clock, authority=Authority.create('CA', clock), state=folder, tls={'PROVISIONING': 0}) as lab:\n"
        "    lab.publish('j179-1', '/', {'image.bin': folder / 'image.bin'})\n"
        "    print(lab.http_port, lab.tls_port('PROVISIONING'), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with (folder / "image.bin").open("wb") as file:
        file.truncate(size)
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def peak(pid: int) -> int:
    """The most memory that a process ever had, in octets."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1_000 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def fetch(port: int, *, over_tls: bool) -> int:
    """Octets of the body of an image."""
    with ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        if over_tls:
            context = ssl._create_unverified_context()
            sock = stack.enter_context(context.wrap_socket(sock))
        sock.sendall(b"GET /image.bin HTTP/1.1\r\nHost: bench\r\n\r\n")
        head, _, body = sock.recv(65_536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        count = len(body)
        while octets := sock.recv(262_144):
            count += len(octets)
        return count


@pytest.mark.parametrize(("over_tls", "size", "clients"), [(False, 96 * 2**20, 8), (True, 48 * 2**20, 3)], ids=["clear", "TLS"])
def test_images_take_no_memory(tmp_path: Path, over_tls: bool, size: int, clients: int) -> None:
    with image_server(tmp_path, size) as process, ThreadPoolExecutor(clients) as phones:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[over_tls])
        before = peak(process.pid)
        assert list(phones.map(lambda _: fetch(port, over_tls=over_tls), range(clients))) == [size] * clients
        assert peak(process.pid) - before < size // 4


def ask(lab: Lab, path: str, *, source: str, agent: str = "phone") -> None:
    with socket.create_connection(("127.0.0.1", lab.http_port), timeout=10, source_address=(source, 0)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: {agent}\r\n\r\n".encode())
        while sock.recv(65_536):
            pass


def answered(lab: Lab, count: int) -> None:
    """Wait until so many answers have become events."""
    cursor = 0
    for _ in range(count):
        event = lab.events.wait_for(lambda event: "status" in event.details, span=300, since=cursor)
        assert event is not None
        cursor = lab.events.since().index(event) + 1


def test_each_phone_has_a_log_of_what_it_asked_for(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "access"
    with AccessLogs(folder, lab.events):
        for number in (1, 2):
            lab.place(f"j179-{number}", f"127.0.0.{number}")
            lab.publish(f"j179-{number}", "/", {"46xxsettings.txt": b"SET X 1\n"})
        lab.script("j179-1", 1)
        ask(lab, "/46xxsettings.txt", source="127.0.0.1", agent='a "phone"\\')
        ask(lab, "/missing%0Aline.txt", source="127.0.0.2")
        ask(lab, "/scep/j179-1/1/pkiclient.exe?operation=GetCACaps", source="127.0.0.1")
        ask(lab, "/46xxsettings.txt", source="127.0.0.9")
        answered(lab, 4)
    lines = {log.stem: log.read_text().splitlines(keepends=True) for log in folder.iterdir()}
    assert sorted(lines) == ["j179-1", "j179-2", STRAYS]
    read = {name: [match.groups() for line in own if (match := COMBINED.fullmatch(line))] for name, own in lines.items()}
    assert {name: len(own) for name, own in read.items()} == {"j179-1": 2, "j179-2": 1, STRAYS: 1}
    settings, scep = read["j179-1"]
    agent = r"a \x22phone\x22\x5C"
    assert settings == ("127.0.0.1", "j179-1", "GET", "/46xxsettings.txt", "200", "8", agent, "HTTP", "whole")
    assert scep[2:5] == ("GET", "/scep/j179-1/1/pkiclient.exe", "200")
    assert read["j179-2"][0][3:5] == (r"/missing\x0Aline.txt", "404")
    assert read[STRAYS][0][:2] == ("127.0.0.9", "-")


def test_more_devices_than_files_may_be_open_all_have_their_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = EventStream(ScaledClock())
    logs = AccessLogs(tmp_path, events)
    monkeypatch.setattr(logs, "_most_open", 2)
    with logs:
        for turn in range(2):
            for number in range(4):
                events.publish(
                    EventName.FILE_SERVED, device=f"d{number}", client="127.0.0.1:1", method="GET", path=f"/{turn}", status=200
                )
    assert {log.name: len(log.read_text().splitlines()) for log in tmp_path.iterdir()} == {f"d{n}.log": 2 for n in range(4)}


def test_a_log_that_cannot_be_written_is_told_at_the_end_and_hinders_nobody(tmp_path: Path) -> None:
    events = EventStream(ScaledClock())
    (tmp_path / "j179-1.log").mkdir()
    with pytest.raises(LabFault, match="access logs are not whole"), AccessLogs(tmp_path, events):
        events.publish(EventName.FILE_SERVED, device="j179-1", client="127.0.0.1:1", method="GET", path="/", status=200)


def test_no_requests_are_lost_while_clients_are_slow_to_speak(authority: Authority, tmp_path: Path) -> None:
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path) as lab, ExitStack() as stack:
        lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", lab.http_port))) for _ in range(100)]
        ask(lab, "/46xxsettings.txt", source="127.0.0.1")
        for sock in silent:
            sock.sendall(b"GET /46xxsettings.txt HTTP/1.0\r\n\r\n")
        for sock in silent:
            sock.settimeout(10)
            assert b"".join(iter(lambda sock=sock: sock.recv(4096), b"")).endswith(b"SET X 1\n")
