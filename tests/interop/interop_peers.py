"""Clients of other houses: Debian's scepclient, strongSwan's pki, certmonger."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from interop_cells import POLL, RENEW
from interop_seats import Seat, must, run, said

CERTMONGER = "/usr/lib/certmonger/certmonger-session"
_WAIT = ("-w", "--wait-timeout", "60")


@dataclass(frozen=True)
class Ran:
    """How a client ended and what it said; the files where it keeps what it was given, if anything, and its key.

    `code` is 0 where it says that it succeeded, None where its exit status tells nothing of that.
    """

    code: int | None
    said: str
    got: Path
    key: Path


class Scepclient:
    """micromdm's client; one folder is one identity, and a certificate in it means that it renews."""

    name = "scepclient"

    def __init__(self, folder: Path, key_bits: int = 2048) -> None:
        self._key = folder / "scepclient.key"
        must("openssl", "genrsa", "-traditional", "-out", self._key, str(key_bits))

    def ask(self, seat: Seat, folder: Path, password: str, _operation: str) -> Ran:
        key, certificate = folder / "client.key", folder / "client.pem"
        key.write_bytes(self._key.read_bytes())
        (folder / "csr.pem").unlink(missing_ok=True)  # it would send the old one with the old password
        words: list[str | Path] = ["-private-key", key, "-certificate", certificate, "-server-url", seat.url]
        words += [f"-challenge={password}", "-cn", seat.common_name, "-organization", "Lab"]
        words += ["-cacert-message", seat.identifier] if seat.identifier else []
        done = run("scepclient", *words, folder=folder)
        return Ran(done.returncode, said(done), certificate, key)


class Pki:
    """strongSwan's pki, with the cipher that its test of capabilities lets pass."""

    name = "pki"

    def __init__(self, folder: Path, key_bits: int = 2048) -> None:
        self._keys = []
        for number in (1, 2):
            key = folder / f"pki-{number}.key"
            key.write_bytes(must("pki", "--gen", "--type", "rsa", "--size", str(key_bits), "--outform", "pem"))
            self._keys.append(key)

    def ask(self, seat: Seat, folder: Path, password: str, operation: str) -> Ran:
        old, new = folder / "client.pem", folder / ("next.pem" if operation == RENEW else "client.pem")
        key = self._keys[operation == RENEW]
        ca, ra = folder / "ca.pem", folder / "ra.pem"
        found = run("pki", "--scepca", "--url", seat.url, "--caout", ca, "--raout", ra, "--outform", "pem", "--force")
        if not ca.exists():
            return Ran(found.returncode, said(found), new, key)
        words: list[str | Path] = ["--url", seat.url, "--in", key, "--dn", f"C=US, O=Lab, CN={seat.common_name}"]
        words += ["--password", password, "--cipher", "des3", "--interval", "1", "--maxpolltime", "30", "--outform", "pem"]
        words += ["--cacert-enc", ra if ra.exists() else ca, "--cacert-sig", ca]
        words += ["--cert", old, "--key", self._keys[0]] if operation == RENEW else []
        done = run("pki", "--scep", *words)
        if done.stdout:
            new.write_bytes(done.stdout)
        return Ran(done.returncode, done.stderr.decode(), new, key)


class Certmonger:
    """The daemon on a session bus of its own; its state lives in the folder, so that it renews what it holds there."""

    name = "certmonger"

    def __init__(self, key_bits: int = 2048) -> None:
        self._key_bits = str(key_bits)

    def ask(self, seat: Seat, folder: Path, password: str, operation: str) -> Ran:
        certificate, key, secret = folder / "client.pem", folder / "client.key", folder / "password"
        secret.write_text(password)
        lines = []
        if operation == RENEW:
            lines.append(["getcert", "rekey", "-s", "-i", "it", "-l", secret, *_WAIT])
        else:
            ca = ["-c", "lab", "-u", seat.url, "-R", seat.anchor, "-N", seat.anchor]
            lines.append(["getcert", "add-scep-ca", "-s", *ca, *(["-i", seat.identifier] if seat.identifier else [])])
            subject = ["-N", f"CN={seat.common_name},O=Lab,C=US", "-g", self._key_bits, "-l", secret]
            files = ["-f", certificate, "-k", key]
            lines.append(["getcert", "request", "-s", "-c", "lab", "-I", "it", *files, *subject, *_WAIT])
        if operation == POLL:
            lines.append(["getcert", "resubmit", "-s", "-i", "it", *_WAIT])
        lines.append(["getcert", "list", "-s", "-i", "it"])
        told, script = folder / "told", folder / "script"
        script.write_text(f"exec >{shlex.quote(str(told))} 2>&1\n" + "".join(f"{shlex.join(map(str, line))}\n" for line in lines))
        (folder / ".config" / "certmonger").mkdir(parents=True, exist_ok=True)
        daemon = ["dbus-run-session", "--", CERTMONGER, "-n", "-d", "1", "-c", f"sh {shlex.quote(str(script))}"]
        done = run("env", f"HOME={folder}", *daemon, folder=folder)
        return Ran(None, told.read_text() + said(done), certificate, key)
