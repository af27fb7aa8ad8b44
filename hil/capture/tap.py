"""Recording at another machine, the tap, over SSH: dumpcap runs there, and what it writes streams to this PC.

Whatever goes wrong between the two machines is a `LabFault` before the recording and a problem of it afterwards. On the
tap dumpcap ends when its standard input does, which the end of the connection brings about, however it comes; or else by
itself after the longest time.

A marker reaches the tap over the bench: this PC sends it out of its own port, as a frame to everybody.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.capture.files import open_capture
from hil.capture.marker import Marker, Source
from hil.capture.merging import clock_by_markers, merge
from hil.capture.proof import Proof, prove
from hil.capture.recorder import BUFFER_MIB, CaptureSummary, Recorder, summary_of, unproven
from hil.errors import LabFault
from hil.secret import Secret

if TYPE_CHECKING:
    from paramiko import Channel, SSHClient

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it has to say of a fault is in the fault

KEEP_ALIVE: Final = 15
PIECE: Final = 1 << 16
MAX_STDERR: Final = 2_000
NOT_FOUND, NOT_EXECUTABLE = 127, 126

# Its standard input is kept open by us: where that ends, so does dumpcap, by force if it must.
_ON_TAP: Final = """
exec 3<&0
"$1" -q -n -a "duration:$2" -i "$3" -B "$4" ${5:+-f "$5"} -w - </dev/null 3<&- &
capture=$!
{ cat <&3; kill "$capture"; sleep 3; kill -KILL "$capture"; } >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$capture"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""

_logins = threading.Lock()
"""One login at a time: SSH servers turn away those of many phones' recorders that come at once (MaxStartups)."""


@dataclass(frozen=True)
class Access:
    """How to reach a tap. Its key must be in `known_hosts`; `timeout` is for one answer of it [real s]."""

    address: str
    port: int
    user: str
    known_hosts: Path
    key_file: Path | None = None
    passphrase: Secret | None = None
    password: Secret | None = None
    dumpcap: str = "dumpcap"
    timeout: float = 15.0

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


def check_tap(access: Access) -> None:
    """Raise `LabFault` where the tap lets nobody in or has no dumpcap."""
    words = [access.dumpcap, "-v"]
    with contextlib.closing(log_in(access)) as client:
        channel = _run(client, access, shlex.join(words))
        if not channel.status_event.wait(access.timeout):
            raise LabFault("the tap does not answer", tried=f"ssh {access}", seen=f"nothing within {access.timeout:g} s")
        if channel.exit_status < 0:
            raise LabFault("the tap hangs up", tried=f"{shlex.join(words)} at {access}", seen="no exit code")
        if channel.exit_status:
            raise _no_dumpcap(access, channel.exit_status, _said(channel))


class RemoteCapture:
    """One dumpcap on a tap, whose output is written to `file` as it comes."""

    def __init__(self, access: Access, marker: Marker, file: Path, longest: float) -> None:
        self._access = access
        self._marker = marker
        self._file = file
        self._longest = longest
        self._client: SSHClient | None = None
        self._channel: Channel | None = None
        self._thread: threading.Thread | None = None
        self._broken: str | None = None

    @property
    def alive(self) -> bool:
        """Whether dumpcap runs there and its output comes."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Log in and start; `LabFault` where that cannot be."""
        marker, access = self._marker, self._access
        words = [access.dumpcap, str(int(self._longest)), marker.source.interface, str(BUFFER_MIB), marker.capture_filter]
        self._file.touch()
        self._client = log_in(access)
        try:
            self._channel = _run(self._client, access, shlex.join(["exec", "sh", "-c", _ON_TAP, "sh", *words]))
        except LabFault:
            self.close()
            raise
        self._thread = threading.Thread(target=self._stream, args=(self._channel,), name=f"tap {access}", daemon=True)
        self._thread.start()

    def end(self, patience: float) -> tuple[str, ...]:
        """Let dumpcap end, and the connection after it; what went wrong."""
        channel, thread = self._channel, self._thread
        assert channel is not None
        assert thread is not None
        early = not thread.is_alive()
        with contextlib.suppress(OSError, EOFError):  # it is over already: what follows says so
            channel.shutdown_write()
        thread.join(patience)
        late = thread.is_alive()
        ended = channel.status_event.wait(0 if late else patience)
        code, said = channel.exit_status, _said(channel)
        self.close()
        if self._broken:
            return (self._broken,)
        if late:
            return (f"dumpcap at {self._access} did not end within {patience:g} s",)
        if not ended or code < 0:
            return (f"the connection to {self._access} was lost",)
        if early or code:
            return (
                f"dumpcap at {self._access} {'ended before it was told to' if early else 'failed'} (exit code {code}): {said}",
            )
        return ()

    def why_not(self) -> LabFault:
        """Why nothing is recorded, once `prove` has found that out; ends what there is."""
        channel = self._channel
        assert channel is not None
        code = channel.exit_status if channel.status_event.wait(0 if self.alive else self._access.timeout) else None
        said = _said(channel)
        self.close()
        tried = f"{self._access.dumpcap} -i {self._marker.source.interface} at {self._access}"
        if self._broken:
            return LabFault("the recording at the tap broke off", tried=tried, seen=self._broken)
        if code in (NOT_FOUND, NOT_EXECUTABLE):
            return _no_dumpcap(self._access, code, said)
        if code is not None and code >= 0:
            return LabFault("dumpcap does not record at the tap", tried=tried, seen=said or f"exit code {code}")
        if self._thread is not None and code is not None:
            return LabFault("the connection to the tap was lost", tried=tried, seen="it ended")
        return LabFault("nothing proves that the tap hears the bench", tried=tried, seen=said or "no marker in what it recorded")

    def close(self) -> None:
        """End the connection, and with it whatever runs on the tap; may be called more than once."""
        if self._client is not None:
            self._client.close()
        if self._thread is not None:
            self._thread.join(self._access.timeout)

    def _stream(self, channel: Channel) -> None:
        try:
            with self._file.open("wb", buffering=0) as file:
                while piece := channel.recv(PIECE):
                    file.write(piece)
        except OSError as error:
            self._broken = f"what the tap records cannot be kept in {self._file}: {error.strerror or error}"
            channel.close()


class TapRecorder:
    """A `Recording` of one source at a tap and others here, in one file by this PC's clock.

    `patience` is how many real seconds a marker or an end may take, `longest` the real seconds after which both recorders
    end by themselves.
    """

    def __init__(
        self,
        access: Access,
        wire: Source,
        here: Source,
        file: Path,
        *,
        patience: float = 15.0,
        longest: float = 24 * 3600.0,
    ) -> None:
        self.file = file
        self._access = access
        self._sources = (wire, here)
        self._patience = patience
        self._marker = Marker(wire)
        self._parts = file.with_suffix(".tap.part"), file.with_suffix(".pc.part")
        self._there = RemoteCapture(access, self._marker, self._parts[0], longest)
        self._here = Recorder([here], self._parts[1], patience=patience, longest=longest)
        self._begun: Proof | None = None

    def start(self) -> None:
        """Start both; returns once both sources are proven to be recorded, else LabFault."""
        self._here.start()
        try:
            self._there.begin()
            self._begun = self._prove()
            if self._begun.missing:
                why = self._there.why_not()
                raise LabFault(self._begun.why, tried=why.tried, seen=why.problem) if self._begun.why else why
        except BaseException:
            self._there.close()
            with contextlib.suppress(LabFault):  # what went wrong first is what is told
                self._here.stop()
            self._forget_parts()
            raise

    def stop(self) -> CaptureSummary:
        """End both, and put what they recorded into one file; LabFault if they were never started."""
        if self._begun is None:
            raise LabFault(
                "a recorder was stopped that had not been started", tried=f"dumpcap at {self._access} into {self.file}"
            )
        ended = self._prove()
        problems = [*self._there.end(self._patience), *self._here.stop().problems]
        problems += unproven(ended) if not problems else []
        clock = clock_by_markers(open_capture(self._parts[0]), self._begun.sent, ended.sent)
        if clock is None:
            problems.append("the clock of the tap is not known, so its times are its own")
        elif clock.problem:
            problems.append(clock.problem)
        try:
            problems += merge([(self._parts[0], clock), (self._parts[1], None)], self.file)
        except OSError as error:
            seen = "; ".join([str(error), *problems])
            raise LabFault("the recording cannot be kept", tried=f"write {self.file}", seen=seen) from error
        finally:
            self._forget_parts()
        return summary_of(self.file, f"dumpcap at {self._access.address}", self._sources, problems)

    def _prove(self) -> Proof:
        return prove([self._marker], self._parts[0], lambda: self._there.alive, self._patience)

    def _forget_parts(self) -> None:
        for part in self._parts:
            part.unlink(missing_ok=True)


def log_in(access: Access) -> SSHClient:
    """A connection to the tap, whose key is known; `LabFault` says what kept us out."""
    from paramiko import AuthenticationException, BadHostKeyException, RejectPolicy, SSHClient, SSHException
    from paramiko.hostkeys import InvalidHostKey

    client = SSHClient()
    try:
        client.load_host_keys(str(access.known_hosts))
    except (OSError, UnicodeDecodeError, InvalidHostKey) as error:
        seen = f"{access.known_hosts} is damaged: {error}"
        raise _kept_out(access, client, "the tap's key cannot be read", seen) from error
    client.set_missing_host_key_policy(RejectPolicy())
    try:
        with _logins:
            client.connect(
                access.address,
                access.port,
                access.user,
                access.password.reveal() if access.password else None,
                key_filename=None if access.key_file is None else str(access.key_file),
                passphrase=access.passphrase.reveal() if access.passphrase else None,
                timeout=access.timeout,
                banner_timeout=access.timeout,
                auth_timeout=access.timeout,
                channel_timeout=access.timeout,
                allow_agent=False,
                look_for_keys=False,
            )
    except BadHostKeyException as error:
        seen = f"another key than the one in {access.known_hosts}"
        raise _kept_out(access, client, "the tap is not the one that is known", seen) from error
    except AuthenticationException as error:
        raise _kept_out(access, client, "the tap does not let us in", str(error)) from error
    except (OSError, EOFError, SSHException) as error:
        if "not found in known_hosts" in str(error):
            seen = f"it is not in {access.known_hosts}; compare its fingerprint there, then ssh-keyscan"
            raise _kept_out(access, client, "the tap is not known", seen) from error
        raise _kept_out(access, client, "the tap cannot be reached", str(error) or type(error).__name__) from error
    transport = client.get_transport()
    assert transport is not None
    transport.set_keepalive(KEEP_ALIVE)
    return client


def _kept_out(access: Access, client: SSHClient, problem: str, seen: str) -> LabFault:
    client.close()
    return LabFault(problem, tried=f"ssh {access}", seen=seen)


def _run(client: SSHClient, access: Access, command: str) -> Channel:
    from paramiko import SSHException

    transport = client.get_transport()
    assert transport is not None
    try:
        channel = transport.open_session(timeout=access.timeout)
        channel.settimeout(access.timeout)
        channel.exec_command(command)
        channel.settimeout(None)
    except (OSError, EOFError, SSHException) as error:
        raise LabFault("the tap runs no command for us", tried=f"ssh {access}", seen=str(error) or "it hung up") from error
    return channel


def _said(channel: Channel) -> str:
    """What dumpcap, or the shell, had to say, without what it says always."""
    text = b""
    while channel.recv_stderr_ready() and len(text) < MAX_STDERR:
        text += channel.recv_stderr(MAX_STDERR)
    lines = (line.strip() for line in text.decode("utf-8", "replace").splitlines())
    return " ".join(line for line in lines if line and not line.startswith(("Capturing on", "File:")))


def _no_dumpcap(access: Access, code: int, said: str) -> LabFault:
    tried = f"{access.dumpcap} at {access}"
    return LabFault(
        "dumpcap cannot be run at the tap; install wireshark-common there", tried=tried, seen=said or f"exit code {code}"
    )
