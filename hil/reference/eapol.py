"""The reference's way through a port: eapol_test, which is wpa_supplicant and switch in one.

The reference has no port of its own. What a switch would pass on, this program says to the RADIUS
server itself, so that the server judges the reference by the same conversation as a phone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.errors import LabFault
from hil.scep.authority import key_to_pem, to_pem
from hil.scep.certificate import Certificate
from hil.secret import Secret


@dataclass(frozen=True)
class Credentials:
    """What a supplicant presents by EAP-TLS: a name, and a certificate with its key."""

    identity: str
    certificate: Certificate
    key: RSAPrivateKey


@dataclass(frozen=True)
class RadiusClient:
    """Who asks the RADIUS server at `server` (IPv4 address) and `port`, from which address, with which shared secret.

    `patience` is real seconds for the whole conversation.
    """

    server: str
    port: int
    address: str
    secret: Secret
    patience: int = 10
    program: str = "eapol_test"

    def authenticate(self, mac: str, credentials: Credentials) -> bool:
        """Whether the server lets the station `mac` (lower case, colons) through; `LabFault` where it cannot be asked."""
        with tempfile.TemporaryDirectory(prefix="supplicant-") as folder:
            configuration = _configuration(Path(folder), credentials)
            # fmt: off
            command = [
                self.program, "-c", configuration, "-a", self.server, "-p", str(self.port), "-A", self.address,
                "-s", self.secret.reveal(), "-M", mac, "-t", str(self.patience), "-n",
            ]
            # fmt: on
            try:
                done = subprocess.run(command, capture_output=True, timeout=2 * self.patience + 5, check=False)
            except (OSError, subprocess.TimeoutExpired) as problem:
                raise LabFault("the reference cannot ask for 802.1X", tried=self.program, seen=type(problem).__name__) from None
        return done.returncode == 0


def _configuration(folder: Path, credentials: Credentials) -> str:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(to_pem(credentials.certificate))
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(key_to_pem(credentials.key))
    file = folder / "supplicant.conf"
    identity = credentials.identity.encode().hex()  # in hex, so that no character of it ends the line
    file.write_text(
        "openssl_ciphers=DEFAULT:@SECLEVEL=0\n"
        "network={\n"
        f" key_mgmt=IEEE8021X\n eap=TLS\n identity={identity}\n"
        f' client_cert="{certificate}"\n private_key="{key}"\n'
        "}\n"
    )
    return str(file)
