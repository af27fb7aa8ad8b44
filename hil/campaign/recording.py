"""What records a phone's boot and its reference's, this PC alone or a tap for what the phone says, and by which time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hil.bench.bench import Bench
from hil.bench.testbed import Phone, Testbed
from hil.campaign.stage import RecorderFactory
from hil.capture.recorder import MOST_SET, CaptureSummary, Recorder, Recording, Source
from hil.capture.tap import Access, TapRecorder, check_tap
from hil.clock import Pace
from hil.errors import LabFault


def recorder_on(bench: Bench) -> RecorderFactory:
    """Recorders that see one phone on the bench and its reference on loopback; `Misuse` where a tap's secret is missing."""
    testbed = bench.testbed
    access = tap_access(testbed)

    def record(phone: Phone, file: Path) -> Recording:
        heard, loop = _heard_of(phone, testbed), Source("lo", f"host {phone.reference}")
        if access is None or testbed.tap is None:
            return Recorder([Source(bench.capture_interface, heard), loop], file)
        wire = Source(testbed.tap.interface, heard, sent_from=bench.capture_interface)
        return TapRecorder(access, wire, loop, file)

    return record


def require_tap(testbed: Testbed) -> None:
    """Raise `LabFault` where the testbed has a tap and nothing can be recorded there."""
    access = tap_access(testbed)
    if access is not None:
        check_tap(access)


@contextmanager
def recorded(recorder: Recording) -> Iterator[list[CaptureSummary]]:
    """Record around a boot; the list holds the recorder's summary once it has stopped."""
    summary: list[CaptureSummary] = []
    recorder.start()
    try:
        yield summary
    except BaseException:
        with suppress(LabFault):  # what went wrong first is what is told
            recorder.stop()
        raise
    summary.append(recorder.stop())


def require_steady_clock(paces: Iterable[Pace]) -> None:
    """Raise `LabFault` where this PC's clock was set in the course of `paces`: captures before and after are of two times."""
    set_by = [f"{pace.set_by:+.1f} s" for pace in paces if abs(pace.set_by) > MOST_SET]
    if set_by:
        raise LabFault("this PC's clock was set while a sitting was played", seen=f"set by {', '.join(set_by)}")


def tap_access(testbed: Testbed) -> Access | None:
    """How to reach the testbed's tap, None where it has none; `Misuse` where a key or secret is missing."""
    tap, source = testbed.tap, testbed.source
    if tap is None:
        return None
    return Access(
        tap.address,
        tap.port,
        tap.user,
        tap.known_hosts_file(source),
        tap.private_key_file(source),
        tap.passphrase(source),
        tap.password(source),
        tap.dumpcap,
        tap.timeout,
    )


def _heard_of(phone: Phone, testbed: Testbed) -> str:
    """The libpcap filter for what a phone says and is told."""
    radius = testbed.network.radius
    # a request with a certificate is longer than a frame, and only its first fragment names the port
    fragments = "ip[6:2] & 0x1fff != 0"
    switches = " or ".join(f"host {client}" for client in radius.clients) if radius else ""
    asked = f" or ((udp port {radius.port} or {fragments}) and ({switches}))" if radius else ""
    return f"ether host {phone.identity.mac} or udp port 67 or udp port 68 or arp{asked}"
