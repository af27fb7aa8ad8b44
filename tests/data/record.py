"""Records the captures of this folder again: `python tests/data/record.py`, as root or where user namespaces are allowed.

Real programs talk in a network of their own and dumpcap listens. What each exchange is expected to be comes from what
the clients were told, from the CA's ledger and from `second_reader`, never from the decoder that is tested with it.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from cryptography.x509 import load_pem_x509_certificate
from interop_cells import BAD_PASSWORD, ENROL, GET_CERT, GET_CRL, POLL, RENEW, Cell, Played
from interop_own import HilClient
from interop_peers import Certmonger, Pki, Scepclient
from interop_phone import CABLE, NAME, PhoneRig, cable
from interop_play import Client, boot, tell
from interop_seats import GUESSED, PASSWORD, SCEPSERVER, Servers, must
from second_reader import Json, Key, der_of, read

from hil.capture.recorder import Recorder, Source

HERE = Path(__file__).resolve().parent
INDEX = HERE / "index.json"
_BITS = 1024
_INSIDE = "inside"
_HEADERS = {0x0A0D0D0A: (16, ()), 1: (8, (2, 9))}  # section and interface: octets before the options; if_name, if_tsresol
Stories = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Part:
    """One capture: who does what where."""

    name: str
    server: str
    stories: Stories
    client: Callable[[Path], Client]


def parts() -> Iterator[Part]:
    """All but the phone's."""

    def scepclient(folder: Path) -> Client:
        return Scepclient(folder, _BITS)

    def pki(folder: Path) -> Client:
        return Pki(folder, _BITS)

    def certmonger(_: Path) -> Client:
        return Certmonger(_BITS)

    def hil(_: Path) -> Client:
        return HilClient(_BITS)

    def strong_hil(_: Path) -> Client:
        return HilClient()

    yield Part("scepclient-scepserver", "scepserver", ((ENROL, RENEW), (BAD_PASSWORD,)), scepclient)
    yield Part("scepclient-ejbca", "ejbca", ((POLL,),), scepclient)
    yield Part("pki-rfc8894", "rfc8894", ((ENROL, RENEW), (POLL,)), pki)
    yield Part("certmonger-rfc8894", "rfc8894", ((ENROL, RENEW), (POLL,)), certmonger)
    yield Part("certmonger-ejbca", "ejbca", ((BAD_PASSWORD,),), certmonger)
    yield Part("hil-rfc8894", "rfc8894", ((ENROL, RENEW, GET_CERT, GET_CRL), (BAD_PASSWORD,)), hil)
    for server in ("ejbca", "ndes", "draft", "modern"):
        yield Part(f"hil-{server}", server, ((POLL,),), strong_hil if server == "modern" else hil)


@contextmanager
def recorded(file: Path, interface: str) -> Iterator[None]:
    recorder = Recorder([Source(interface, "tcp")], file, "dumpcap")
    recorder.start()
    yield
    summary = recorder.stop()
    if not summary.complete:
        raise RuntimeError(f"{file.name} is not whole: {summary.problems}")


def main(folder: Path) -> None:
    must("ip", "link", "set", "lo", "up")
    with cable() as network, Servers(folder, key_bits=_BITS) as servers, PhoneRig(servers, folder / "phone", network) as rig:
        index = {}
        for part in parts():
            with recorded(folder / f"{part.name}.pcapng", "lo"):
                client = part.client(folder)
                played = [one for story in part.stories for one in tell(client, part.server, story, servers, folder / part.name)]
            index[part.name] = entry(folder, part.name, played)
        with recorded(folder / "phone.pcapng", CABLE):
            cells = [Cell(NAME, "ndes", POLL), Cell(NAME, "draft", ENROL)]
            played = boot(rig, servers, cells, "boot")
        index["phone"] = entry(folder, "phone", played)
    install(folder, index)


def entry(folder: Path, name: str, played: Sequence[Played]) -> Json:
    """What the index says of one capture, once its sources are shown to agree; `keys` are names and where the files are."""
    places = {one.cell.server: folder / "ca" / one.cell.server for one in played}
    keys = {f"{server}-{file.stem}.pem": file for server, place in places.items() for file in sorted(place.glob("*.key"))}
    own = {Key.of(file).public: file for file in (Path(one.key) for one in played if one.key)}
    keys |= {f"{name}-{number}.pem": file for number, file in enumerate(own.values(), 1)}
    authorities = [der_of(file) for place in places.values() for file in sorted(place.glob("*.pem"))]
    exchanges = read(folder / f"{name}.pcapng", [Key.of(file) for file in keys.values()], authorities)
    for path in {one.path for one in played}:
        agree([one for one in played if one.path == path], [each for each in exchanges if each["http"]["path"] == path])
    return {"keys": keys, "exchanges": exchanges}


def agree(played: Sequence[Played], exchanges: Sequence[Json]) -> None:
    """What the second reader has is what the ledger has, what the clients got, and the passwords that they were told."""
    place = f"{played[0].cell.client} at {played[0].cell.server}"
    messages = [each for each in exchanges if each["request"] is not None]
    wire = [_words(each["request"]["message_type"], each["reply"]["status"], each["reply"]["fail_info"]) for each in messages]
    ledger = [words for one in played for words, _ in one.ledger]
    if played[0].cell.server != SCEPSERVER and wire != ledger:
        raise RuntimeError(f"{place}: the wire has {wire}, the ledger {ledger}")
    issued = {one["serial"] for each in messages for one in each["reply"]["issued"] or ()}
    got = {serial for one in played for _, serial in one.ledger if serial}
    got |= {_serial(Path(one.got)) for one in played if one.got and one.cell.operation != GET_CRL}
    if issued != got:
        raise RuntimeError(f"{place}: the wire has {issued}, client and ledger {got}")
    sent = {each["request"]["csr"]["challenge_password"] for each in messages if each["request"]["csr"]}
    if played[0].cell.server != "ndes" and not sent <= {PASSWORD, GUESSED}:
        raise RuntimeError(f"{place}: the passwords {sent}, which nobody was told")


def _words(*words: str | None) -> str:
    return " ".join(filter(None, words))


def _serial(certificate: Path) -> str:
    return f"{load_pem_x509_certificate(certificate.read_bytes()).serial_number:x}"


def install(folder: Path, index: dict[str, Json]) -> None:
    """Put everything in place of what was there."""
    shutil.rmtree(HERE / "keys", ignore_errors=True)
    (HERE / "keys").mkdir()
    for old in HERE.glob("*.pcapng"):
        old.unlink()
    for name, told in index.items():
        (HERE / f"{name}.pcapng").write_bytes(without_machine((folder / f"{name}.pcapng").read_bytes()))
        for key, source in told["keys"].items():
            shutil.copyfile(source, HERE / "keys" / key)
        told["keys"] = sorted(told["keys"])
    INDEX.write_text("{\n" + ",\n".join(_lines(name, told) for name, told in index.items()) + "\n}\n")


def without_machine(capture: bytes) -> bytes:
    """The capture without what its section and interface headers say of the machine it was made on (pcapng, 4.1 and 4.2)."""
    blocks, at = [], 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        body = capture[at + 8 : at + length - 4]
        if kind in _HEADERS:
            fixed, kept = _HEADERS[kind]
            body = body[:fixed] + b"".join(_options(body[fixed:], kept))
        blocks.append(struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12))
        at += length
    return b"".join(blocks)


def _options(octets: bytes, kept: Sequence[int]) -> Iterator[bytes]:
    """The options of these codes, and the end of the options."""
    at = 0
    while at < len(octets):
        code, length = struct.unpack_from("<HH", octets, at)
        end = at + 4 + length + -length % 4
        if code in (0, *kept):
            yield octets[at:end]
        at = end


def _lines(name: str, told: Json) -> str:
    """A line for the keys, and one for each exchange."""
    exchanges = ",\n".join(f"  {json.dumps(exchange)}" for exchange in told["exchanges"])
    return f'{json.dumps(name)}: {{"keys": {json.dumps(told["keys"])}, "exchanges": [\n{exchanges}\n]}}'


if __name__ == "__main__":
    if sys.argv[1:] == [_INSIDE]:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
    else:
        prefix = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        sys.exit(subprocess.run([*prefix, sys.executable, __file__, _INSIDE], check=False).returncode)
