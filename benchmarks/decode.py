"""`hil decode` on a long capture beside tshark and pyshark on the same file, and the memory that it takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.enrolments import CHALLENGE, CURRENT, applicants, new_keys, requests
from benchmarks.measure import Claim, Scale, Spent, spend
from benchmarks.traffic import Conversation, write_capture
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.scep import signers
from hil.scep.authority import Authority
from hil.scep.ca import CaService
from hil.scep.endpoint import Endpoint
from hil.secret import Secret

NEEDS = {"tshark": "tshark"}
TSHARK_TARGET, PYSHARK_TARGET, MEMORY_TARGET = 5.0, 50.0, 0.8
PACKETS_FOR_AN_ENROLMENT = 10_000
PATH = "/scep/j179-1/1/pkiclient.exe"
AGENT = "AVAYA/J179-4.1.1.0.9 (MAC:c81fea83e85a)"
SCEP_FILTER = 'http.request.uri.query contains "operation=" or http.content_type contains "x-pki-message"'


def measure(scale: Scale, folder: Path) -> Iterator[Claim]:
    """Three captures of one mix: the long one, one a quarter as long, a short one for pyshark."""
    authority, key = Authority.create("Lab CA", ScaledClock()), new_keys(1)[0]
    keys = [_saved(folder / "ca.key", authority.key), _saved(folder / "phone.key", key)]
    whole, quarter, part = (folder / f"{name}.pcapng" for name in ("whole", "quarter", "part"))
    for file, packets in ((whole, scale.packets), (quarter, scale.packets // 4), (part, scale.pyshark_packets)):
        write_capture(file, packets, conversations(authority, key, _enrolments(packets)))
    readers: dict[str, Callable[[], Spent]] = {
        "ours": lambda: _decode(whole, keys, folder),
        "ours, quarter": lambda: _decode(quarter, keys, folder),
        "tshark": lambda: spend(_tshark(whole)),
        "pyshark": lambda: spend(_pyshark(part)),
        "pyshark filtered": lambda: spend(_pyshark(whole, SCEP_FILTER)),
    }
    readings: dict[str, list[Spent]] = {name: [] for name in readers}
    for _ in range(scale.readings):
        for name, read in readers.items():
            readings[name].append(read())
    yield from _rates(scale, readings)
    yield from _peaks(scale, readings)


def _rates(scale: Scale, readings: Mapping[str, Sequence[Spent]]) -> Iterator[Claim]:
    rates = {
        name: [(scale.pyshark_packets if name == "pyshark" else scale.packets) / one.seconds for one in spent]
        for name, spent in readings.items()
    }
    mix = f"{scale.packets:,} packets of an office with phones, {_enrolments(scale.packets)} enrolments among them"
    how = f"{mix}; ours opens every envelope with two keys, tshark -n shows SCEP alone, its messages as CMS"
    yield Claim("hil decode", "packets/s", "tshark -T json", rates["ours"], rates["tshark"], TSHARK_TARGET, how)
    how = f"{mix}; pyshark reads the first {scale.pyshark_packets:,} of such packets, and takes as long for any other"
    yield Claim("hil decode", "packets/s", "pyshark", rates["ours"], rates["pyshark"], PYSHARK_TARGET, how)
    how = "all packets, with tshark's display filter: tshark sifts, and pyshark sees SCEP alone"
    yield Claim("hil decode", "packets/s", "pyshark, filtered", rates["ours"], rates["pyshark filtered"], None, how)


def _peaks(scale: Scale, readings: Mapping[str, Sequence[Spent]]) -> Iterator[Claim]:
    peaks = {name: [one.peak / 1e6 for one in spent] for name, spent in readings.items()}
    name, how = "hil decode, peak memory", "resident set, of pyshark that of its larger process"
    for peer, reading in (("tshark -T json", "tshark"), ("pyshark, filtered", "pyshark filtered")):
        yield Claim(name, "MB", peer, peaks["ours"], peaks[reading], None, how, less_is_better=True)
    peer, how = (
        f"itself, {scale.packets // 4:,} packets",
        f"so it does not grow with the capture; ours is of {scale.packets:,} packets",
    )
    yield Claim(name, "MB", peer, peaks["ours"], peaks["ours, quarter"], MEMORY_TARGET, how, less_is_better=True)


def _saved(file: Path, key: RSAPrivateKey) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def _enrolments(packets: int) -> int:
    return max(1, packets // PACKETS_FOR_AN_ENROLMENT)


def conversations(authority: Authority, key: RSAPrivateKey, number: int) -> list[Conversation]:
    """So many enrolments of one phone with the authority, as HTTP carries them: GetCACaps, GetCACert, PKIOperation."""
    asked = signers.challenge(Secret(CHALLENGE))
    service = CaService(authority, signers.chain(asked, to=signers.issue(authority)), clock=ScaledClock())
    endpoint = Endpoint(service)
    return [
        [
            _exchange(endpoint, "GET", f"{PATH}?operation=GetCACaps&message=CAIdentifier"),
            _exchange(endpoint, "GET", f"{PATH}?operation=GetCACert&message=CAIdentifier"),
            _exchange(endpoint, "POST", f"{PATH}?operation=PKIOperation", message),
        ]
        for message in requests(applicants([key] * number, CURRENT), authority.certificate, CURRENT)
    ]


def _exchange(endpoint: Endpoint, method: str, target: str, body: bytes = b"") -> tuple[bytes, bytes]:
    length = f"Content-Type: application/x-pki-message\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: 10.0.0.13\r\nUser-Agent: {AGENT}\r\n{length}\r\n"
    reply = endpoint.answer(method, target, body)
    size = len(reply.body)
    told = f"HTTP/1.1 200 OK\r\nContent-Type: {reply.content_type}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    return head.encode() + body, told.encode() + reply.body


def _decode(capture: Path, keys: list[Path], folder: Path) -> Spent:
    """Our reading, once it is seen that every enrolment was found and opened."""
    options = [word for key in keys for word in ("--key", str(key))]
    output = folder / "decoded.json"
    spent = spend([sys.executable, "-m", "hil.cli", "decode", "--json", *options, str(capture)], output=output)
    exchanges = json.loads(output.read_text())["exchanges"]
    opened = [one for one in exchanges if one["operation"] == "PKIOperation"]
    if not opened or not all(one["request"]["decrypted"] and one["reply"]["decrypted"] for one in opened):
        raise LabFault("hil decode has not opened every enrolment", tried=capture.name, seen=f"{len(opened)} enrolments")
    return spent


def _tshark(capture: Path) -> list[str]:
    as_cms = ("-d", "media_type==application/x-pki-message,cms")
    return ["tshark", "-n", "-r", str(capture), *as_cms, "-Y", SCEP_FILTER, "-T", "json"]


def _pyshark(capture: Path, display_filter: str = "") -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("pyshark_reading.py")), str(capture), display_filter]
