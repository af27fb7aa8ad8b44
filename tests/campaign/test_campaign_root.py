"""The bench's CA is one for all runs, and what would put another in its place is refused or told in time."""

from __future__ import annotations

import shutil
import ssl
import stat
import subprocess
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import httpx
import pytest

from hil.campaign.render import Server, bench_files
from hil.campaign.root import soon_over, standing_authority
from hil.campaign.services import TRUST_FILE
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.identity import Identity
from hil.scep.authority import Authority, to_pem
from hil.services.dhcp import DhcpPlan
from hil.services.lab import Lab

CLOCK = ScaledClock()


class Late(ScaledClock):
    """A clock that is so much ahead."""

    def __init__(self, ahead: timedelta) -> None:
        super().__init__()
        self._late = ahead

    def now(self) -> datetime:
        return super().now() + self._late


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The state folder's `ca`, once a run has made it."""
    standing_authority(tmp_path / "ca", CLOCK)
    return tmp_path / "ca"


def test_each_run_has_the_same_root(folder: Path) -> None:
    roots = {standing_authority(folder, CLOCK).certificate.der for _ in range(3)}
    assert len(roots) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(key.stat().st_mode) for key in folder.glob("*.key")} == {0o600}
    assert [entry.name for entry in folder.parent.iterdir()] == ["ca"]


def test_what_a_crash_left_of_a_root_in_the_making_is_not_taken_for_one(tmp_path: Path) -> None:
    begun = tmp_path / "ca.part"
    begun.mkdir()
    (begun / "ca.key").write_text("begun")
    made = standing_authority(tmp_path / "ca", CLOCK)
    assert standing_authority(tmp_path / "ca", CLOCK).certificate == made.certificate


def test_a_backup_put_back_is_the_same_root(folder: Path, tmp_path: Path) -> None:
    before = standing_authority(folder, CLOCK).certificate
    archive = tmp_path / "bench-ca.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cpf", archive, "ca"], check=True)
    shutil.rmtree(folder)
    subprocess.run(["tar", "-C", tmp_path, "-xpf", archive], check=True)
    assert standing_authority(folder, CLOCK).certificate == before


@pytest.mark.parametrize("name", ["ca.key", "ca.pem"])
def test_a_root_that_lost_a_file_is_restored_and_not_made_anew(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(Misuse, match=rf"{name}.*put back the bench's CA from its backup"):
        standing_authority(folder, CLOCK)
    assert not (folder / name).exists()


def test_a_key_of_another_root_is_refused(folder: Path, tmp_path: Path) -> None:
    Authority.create("another", CLOCK).save(tmp_path / "other")
    (tmp_path / "other" / "ca.key").replace(folder / "ca.key")
    with pytest.raises(Misuse, match=r"do not belong together.*backup"):
        standing_authority(folder, CLOCK)


def test_a_key_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "ca.key").chmod(0o640)
    with pytest.raises(Misuse, match=r"others may read this private key; chmod 600"):
        standing_authority(folder, CLOCK)


def test_the_end_of_a_root_is_told_a_year_before_and_then_refused(folder: Path) -> None:
    authority = standing_authority(folder, CLOCK)
    end = authority.certificate.not_after
    assert end - CLOCK.now() > timedelta(days=20 * 365)
    assert soon_over(authority, CLOCK.now()) is None
    assert soon_over(authority, end - timedelta(days=366)) is None
    warning = soon_over(authority, end - timedelta(days=30, hours=1))
    assert warning is not None
    assert f"is over on {end:%Y-%m-%d}, in 30 days: make a new CA" in warning
    assert standing_authority(folder, Late(end - CLOCK.now() - timedelta(hours=1))).certificate == authority.certificate
    with pytest.raises(Misuse, match=f"is over since {end:%Y-%m-%d}; make a new CA and bring it to the phones over plain HTTP"):
        standing_authority(folder, Late(end - CLOCK.now()))


def test_a_phone_that_trusts_only_an_earlier_root_comes_back_over_plain_http(tmp_path: Path) -> None:
    """The way in that option 242 leaves: settings and the new root in the clear, and from then on TLS again."""
    earlier, root = Authority.create("earlier", CLOCK), standing_authority(tmp_path / "ca", CLOCK)
    identity = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
    with Lab(clock=CLOCK, authority=root, state=tmp_path / "lab", tls={"PROVISIONING": 0}) as lab:
        ports = {"PROVISIONING": lab.tls_port("PROVISIONING")}
        server = Server("127.0.0.1", lab.http_port, tls=ports, trust=to_pem(root.certificate))
        lab.publish("j179-1", "/", bench_files({}, identity, server, services=["PROVISIONING"]))
        hosts = {identity.mac: ("127.0.0.1", "j179-1")}
        plan = DhcpPlan("lo", "127.0.0.1", IPv4Network("127.0.0.0/8"), hosts, lab.http_port, tmp_path / "leases")
        told = dict(part.split("=") for part in plan.option_242(identity.mac).split(","))
        in_the_clear = f"http://{told['HTTPSRVR']}:{told['HTTPPORT']}"

        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            read_over_tls(lab, to_pem(earlier.certificate))
        settings = httpx.get(f"{in_the_clear}/46xxsettings.txt").text
        assert f"SET TRUSTCERTS {TRUST_FILE}" in settings
        trusted = httpx.get(f"{in_the_clear}/{TRUST_FILE}").content
        assert read_over_tls(lab, trusted) == settings


def read_over_tls(lab: Lab, trusted: bytes) -> str:
    """The settings, as a phone reads them that has these certificates in TRUSTCERTS and asks the bench by its address."""
    context = ssl.create_default_context(cadata=trusted.decode())
    url = f"https://127.0.0.1:{lab.tls_port('PROVISIONING')}/46xxsettings.txt"
    return httpx.get(url, verify=context).raise_for_status().text
