"""When the reference renews: the vendor's worked example, retries every 24 hours, and all of it over a real CA in scaled time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ManualClock, ScaledClock
from hil.identity import Firmware, Identity
from hil.reference.device import ReferencePhone
from hil.reference.renewal import Renewal, Standing, begins, due, next_renewal
from hil.reference.store import MemoryStore
from hil.scenario import Answer, HttpError, Issue, Pend, Reject
from hil.scep.authority import Authority
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.services.lab import Lab

DAY = timedelta(days=1)
KEY = rsa.generate_private_key(65537, 2048)
DEVICE, ADDRESS = "j179-1.reference", "127.0.0.5"
PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Lab CA", ManualClock())


@pytest.fixture(scope="module")
def year(authority: Authority) -> Certificate:
    """A certificate of 365 days."""
    csr = read_csr(build_csr(KEY, (("CN", "19WZ1234567A"),), challenge_password=None))
    start = authority.certificate.not_before
    return authority.issue(csr, not_before=start, not_after=start + 365 * DAY)


@pytest.mark.parametrize(("percent", "before_expiry"), [(90, 36.5), (1, 361.35), (50, 182.5), (99, 3.65)])
def test_renewal_is_due_after_its_part_of_the_validity(year: Certificate, percent: int, before_expiry: float) -> None:
    assert year.not_after - due(year, percent) == before_expiry * DAY


def test_a_failed_renewal_begins_again_a_day_after_it_began(year: Certificate) -> None:
    tried = due(year, 90) + timedelta(minutes=3)
    assert begins(Standing(1, year, 90)) == due(year, 90)
    assert begins(Standing(1, year, 90, tried=tried)) == tried + DAY
    assert begins(Standing(1, year, 90, tried=due(year, 90) - DAY)) == due(year, 90)


def test_the_slot_that_is_due_first_comes_first(year: Certificate) -> None:
    standings = [Standing(1, year, 90), Standing(2, year, 50), Standing(3, year, 50)]
    assert next_renewal(standings) == Renewal(2, due(year, 50))
    assert next_renewal([]) is None


@dataclass(frozen=True)
class Life:
    """A reference that lives beside a CA, a phone day in seconds."""

    lab: Lab
    clock: ScaledClock
    store: MemoryStore
    phone: ReferencePhone
    begun: list[datetime]
    """When each enrolment or renewal began."""

    def lives(self, *script: Answer, days: float, **settings: str) -> list[tuple[str | None, str | None, datetime]]:
        """Boot with these settings, live for `days`; message type, answer and instant of what the CA's ledger then holds."""
        url = f"http://127.0.0.1:{self.lab.http_port}/scep/{DEVICE}/1/pkiclient.exe"
        self.lab.script(DEVICE, 1, answers=script)
        lines = "".join(f'SET {name} "{value}"\r\n' for name, value in {"MYCERTURL": url, **settings}.items())
        self.lab.publish(DEVICE, "/", {"J100Supgrade.txt": b"GET 46xxsettings.txt\r\n", "46xxsettings.txt": lines.encode()})
        ends = threading.Event()
        booted = self.phone.boot()
        self.lab.script(DEVICE, 1, answers=script[1:])
        living = threading.Thread(target=self.phone.live, args=(booted, ends))
        living.start()
        self.clock.wait(threading.Event(), days * 86_400)
        ends.set()
        living.join(30)
        entries = [line.entry for line in self.lab.ledger.lines(DEVICE)]
        return [(entry.message_type, entry.answer, entry.at) for entry in entries]


@pytest.fixture
def life(authority: Authority, tmp_path: Path) -> Iterator[Life]:
    clock = ScaledClock(rate=60_000.0)
    store, begun = MemoryStore(), list[datetime]()

    def report(step: str, details: Mapping[str, object]) -> None:
        if step == "generate key":
            begun.append(datetime.fromisoformat(str(details["since"])))

    with Lab(clock=clock, authority=authority, state=tmp_path / "lab") as lab:
        lab.place(DEVICE, ADDRESS)
        base = f"http://127.0.0.1:{lab.http_port}/"
        firmware = Firmware("4.1.3.0.6")
        phone = ReferencePhone(PHONE, firmware, store, clock, base_url=base, local_address=ADDRESS, report=report)
        yield Life(lab, clock, store, phone, begun)


def test_it_renews_when_due_and_not_before(life: Life) -> None:
    told = life.lives(Issue(days=20, backdated=8), Issue(days=365), days=4, MYCERTRENEW="50")
    assert [(kind, answer) for kind, answer, _ in told] == [("PKCSReq", "SUCCESS"), ("RenewalReq", "SUCCESS")]
    waited = told[1][2] - told[0][2]
    assert 1.9 * DAY < waited < 3.5 * DAY
    held = life.store.held(1)
    assert held is not None
    assert held.certificate.not_after - held.certificate.not_before == 365 * DAY


@pytest.mark.parametrize("failure", [Reject("badRequest"), HttpError(500), Pend(times=100_000)])
def test_a_renewal_that_fails_is_tried_every_24_hours(life: Life, failure: Answer) -> None:
    life.lives(Issue(days=20, backdated=19), failure, days=3.9)
    _, *attempts = life.begun
    assert len(attempts) >= 3
    assert all(0.95 * DAY < later - earlier < 1.5 * DAY for earlier, later in pairwise(attempts))


def test_it_stops_once_a_renewal_succeeds(life: Life) -> None:
    told = life.lives(Issue(days=20, backdated=19), Reject("badRequest"), Issue(days=365), days=2.9)
    assert [(kind, answer) for kind, answer, _ in told] == [
        ("PKCSReq", "SUCCESS"),
        ("RenewalReq", "FAILURE"),
        ("RenewalReq", "SUCCESS"),
    ]


def test_a_new_certificate_that_is_due_again_waits_a_day(life: Life) -> None:
    told = life.lives(Issue(days=20, backdated=19), days=0.5)
    assert [kind for kind, _, _ in told] == ["PKCSReq", "RenewalReq"]
