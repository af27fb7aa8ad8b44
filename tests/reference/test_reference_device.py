from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.identity import Firmware, Identity
from hil.reference.decisions import AskUser, Decision, Delete, Enrol, Hold, boot_plan
from hil.reference.device import BootReport, Failed, Plan, ReferencePhone
from hil.reference.store import CertificateStore, FolderStore, MemoryStore
from hil.scenario import Issue, Pend, Reject
from hil.scep import signers
from hil.scep.ca import DEFAULT_CAPABILITIES, Authority
from hil.scep.certificate import Certificate
from hil.scep.client import Issued, Pending, Rejected
from hil.scep.csr import Csr
from hil.scep.messages import FailInfo
from hil.scep.signers import CertificateRequest
from hil.secret import Secret
from hil.services.lab import Lab
from hil.settings.interpret import Interpretation

PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19wz1234567a")
DEVICE, ROOT, ADDRESS = "j179-1.reference", "/reference/j179-1/", "127.0.0.5"
RATE = 100.0


class Keeping:
    """Issues to whoever asks and keeps the CSRs."""

    def __init__(self, authority: Authority) -> None:
        self._issue = signers.issue(authority)
        self.csrs: list[Csr] = []

    def sign(self, request: CertificateRequest) -> Certificate:
        self.csrs.append(request.csr)
        return self._issue.sign(request)


class Bench:
    """A lab on loopback with one reference phone."""

    def __init__(self, lab: Lab, clock: ScaledClock, authority: Authority) -> None:
        self.lab = lab
        self.clock = clock
        self.signer = Keeping(authority)
        self.store: CertificateStore = MemoryStore()
        self.steps: list[tuple[str, Mapping[str, object]]] = []
        self.cancel = threading.Event()
        for slot in (1, 2, 3):
            lab.script(DEVICE, slot, signer=self.signer)

    def url(self, slot: int) -> str:
        return f"http://127.0.0.1:{self.lab.http_port}/scep/{DEVICE}/{slot}/pkiclient.exe"

    def settings(self, **values: str) -> None:
        lines = "".join(f'SET {name} "{value}"\r\n' for name, value in values.items())
        mac_file = f"{PHONE.mac_digits}.txt"
        files = {"J100Supgrade.txt": b"GET 46xxsettings.txt\r\n", "46xxsettings.txt": f"GET {mac_file}\r\n".encode()}
        self.lab.publish(DEVICE, ROOT, {**files, mac_file: lines.encode()})

    def boot(self, *, plan: Plan = boot_plan, poll_interval: float = 5.0, poll_limit: float = 600.0) -> BootReport:
        phone = ReferencePhone(
            PHONE,
            Firmware("4.1.3.0.6"),
            self.store,
            self.clock,
            base_url=f"http://127.0.0.1:{self.lab.http_port}{ROOT}",
            local_address=ADDRESS,
            report=lambda step, details: self.steps.append((step, details)),
            plan=plan,
            cancel=self.cancel,
            poll_interval=poll_interval,
            poll_limit=poll_limit,
        )
        return phone.boot()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Lab CA", ScaledClock())


@pytest.fixture
def bench(authority: Authority, tmp_path: Path) -> Iterator[Bench]:
    clock = ScaledClock(rate=RATE)
    with Lab(clock=clock, authority=authority, state=tmp_path / "lab") as lab:
        lab.place(DEVICE, ADDRESS)
        yield Bench(lab, clock, authority)


def test_a_profile_is_enrolled_as_its_settings_say(bench: Bench, authority: Authority) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTDN="/C=US/ST=NJ/O=Company", MYCERTCN="phone $MACADDR", SCEPENCALG="1")
    outcome = bench.boot().slot(1)
    assert isinstance(outcome.result, Issued)
    assert outcome.result.certificate.signed_by(authority.certificate)
    [csr] = bench.signer.csrs
    assert csr.subject_parts == (("C", "US"), ("ST", "NJ"), ("O", "Company"), ("CN", "phone c81fea83e85a"))
    assert (csr.key_bits, csr.signature_digest) == (2048, "sha256")
    assert csr.challenge_password == Secret("19WZ1234567A")
    held = bench.store.held(1)
    assert held is not None
    assert (held.url, held.certificate) == (bench.url(1), outcome.result.certificate)


def test_files_are_asked_for_in_order_with_the_documented_user_agent(bench: Bench) -> None:
    bench.settings(MYCERTURL="")
    bench.boot()
    bench.lab.events.wait_for(lambda event: str(event.details.get("path")).endswith("e85a.txt"), span=3000)
    served = [event for event in bench.lab.events.since() if event.name is EventName.FILE_SERVED]
    paths = ["J100Supgrade.txt", "46xxsettings.txt", "c81fea83e85a.txt"]
    assert [event.details["path"] for event in served] == [f"{ROOT}{path}" for path in paths]
    agent = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)"
    assert {event.details["user_agent"] for event in served} == {agent}
    assert all(str(event.details["client"]).startswith(f"{ADDRESS}:") for event in served)


def test_without_a_url_no_scep_server_is_contacted(bench: Bench) -> None:
    bench.settings(MYCERTCN="$SERIALNO")
    assert [outcome.result for outcome in bench.boot().slots] == [None, None, None]
    assert not [event for event in bench.lab.events.since() if event.name is EventName.SCEP_REQUEST]


def test_the_ca_identifier_goes_into_get_ca(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTCAID="Lab & Sons", MYCERTURL_2=bench.url(2))
    bench.boot()
    answers = [event for event in bench.lab.events.since() if event.name is EventName.SCEP_ANSWER]
    asked = [(e.slot, e.details["operation"], e.details["identifier"]) for e in answers if "identifier" in e.details]
    expected = [(1, "Lab & Sons"), (2, "CAIdentifier")]
    assert asked == [(slot, operation, name) for slot, name in expected for operation in ("GetCACaps", "GetCACert")]


def test_three_profiles_enrol_one_after_the_other_with_keys_of_their_own(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTURL_2=bench.url(2), MYCERTURL_3=bench.url(3))
    report = bench.boot()
    assert [outcome.slot for outcome in report.slots] == [1, 2, 3]
    assert all(isinstance(outcome.result, Issued) for outcome in report.slots)
    assert all(before.ended <= after.began for before, after in zip(report.slots, report.slots[1:], strict=False))
    assert len({csr.public_key_der for csr in bench.signer.csrs}) == 3


def test_a_second_boot_holds_the_certificate(bench: Bench, tmp_path: Path) -> None:
    bench.settings(MYCERTURL=bench.url(1))
    bench.store = FolderStore(tmp_path / "flash")
    assert isinstance(bench.boot().slot(1).result, Issued)
    bench.store = FolderStore(tmp_path / "flash")
    assert isinstance(bench.boot().slot(1).decision, Hold)
    assert len(bench.signer.csrs) == 1


def test_a_deleted_certificate_is_enrolled_again_once_the_setting_is_back(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1))
    bench.boot()
    bench.settings(MYCERTURL=bench.url(1), DELETE_SCEP_CERT="1")
    assert bench.boot().deleted == (Delete(1, "DELETE_SCEP_CERT"),)
    assert bench.store.held(1) is None
    bench.settings(MYCERTURL=bench.url(1), DELETE_SCEP_CERT="0")
    assert isinstance(bench.boot().slot(1).result, Issued)


def test_an_empty_password_enrols_nobody(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), SCEPPASSWORD="", MYCERTURL_2=bench.url(2))
    report = bench.boot()
    assert isinstance(report.slot(1).decision, AskUser)
    assert isinstance(report.slot(2).result, Issued)


def test_a_pending_request_is_polled_until_granted(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1))
    bench.lab.script(DEVICE, 1, answers=[Pend(times=3), Issue()], signer=bench.signer)
    outcome = bench.boot(poll_interval=5.0).slot(1)
    assert isinstance(outcome.result, Issued)
    assert [line.entry.message_type for line in bench.lab.ledger.lines()] == ["PKCSReq", "CertPoll", "CertPoll", "CertPoll"]
    assert outcome.ended - outcome.began >= timedelta(seconds=15), "each poll waits its phone time"


def test_polling_ends_at_its_limit_and_the_boot_goes_on(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTURL_2=bench.url(2))
    bench.lab.script(DEVICE, 1, answers=[Pend(times=10_000)])
    report = bench.boot(poll_interval=5.0, poll_limit=20.0)
    assert isinstance(report.slot(1).result, Pending)
    assert isinstance(report.slot(2).result, Issued)
    assert len(bench.lab.ledger.lines(DEVICE, 1)) <= 6


def test_a_rejection_is_an_outcome_and_the_boot_goes_on(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTURL_2=bench.url(2))
    bench.lab.script(DEVICE, 1, answers=[Reject("badTime")])
    report = bench.boot()
    rejected = report.slot(1).result
    assert isinstance(rejected, Rejected)
    assert rejected.fail_info is FailInfo.badTime
    assert isinstance(report.slot(2).result, Issued)
    assert bench.store.held(1) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/scep", "http://127.0.0.1:{port}/scep/nobody/1/pkiclient.exe"])
def test_no_ca_behind_the_url_is_an_outcome(bench: Bench, url: str) -> None:
    bench.settings(MYCERTURL=url.format(port=bench.lab.http_port))
    assert isinstance(bench.boot().slot(1).result, Failed)


def test_sha_1_is_taken_where_the_ca_has_nothing_better(bench: Bench) -> None:
    old = [capability for capability in DEFAULT_CAPABILITIES if capability not in ("SHA-256", "SHA-512", "SCEPStandard")]
    bench.settings(MYCERTURL=bench.url(1))
    bench.lab.script(DEVICE, 1, signer=bench.signer, capabilities=old)
    assert isinstance(bench.boot().slot(1).result, Issued)
    assert bench.signer.csrs[0].signature_digest == "sha1"


def test_no_file_server_is_a_fault_of_the_bench(bench: Bench) -> None:
    bench.lab.stop()
    with pytest.raises(LabFault, match="does not answer"):
        bench.boot()


def test_a_missing_upgrade_file_leaves_the_defaults(bench: Bench) -> None:
    bench.lab.publish(DEVICE, ROOT, {})
    report = bench.boot()
    assert report.interpretation.missing == ("J100Supgrade.txt",)
    assert [outcome.result for outcome in report.slots] == [None, None, None]


def test_steps_are_told_with_the_phone_time_they_began(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(2), SCEPPASSWORD="only-for-this-test")
    bench.boot()
    steps = [step for step, _ in bench.steps]
    profile = ["decided", "generate key", "discover", "enrol", "installed"]
    assert steps == [*["fetch"] * 3, "settings", "ask the time", *profile, "decided", "decided", "idle"]
    times = [datetime.fromisoformat(str(details["since"])) for _, details in bench.steps]
    assert times == sorted(times)
    assert "only-for-this-test" not in repr(bench.steps)


def test_a_cancelled_boot_stops_waiting_and_starts_nothing_more(bench: Bench) -> None:
    bench.settings(MYCERTURL=bench.url(1), MYCERTURL_2=bench.url(2))
    bench.lab.script(DEVICE, 1, answers=[Pend(times=10_000)])
    results: list[BootReport] = []
    thread = threading.Thread(target=lambda: results.append(bench.boot(poll_interval=1e9, poll_limit=1e9)))
    thread.start()
    assert bench.lab.events.wait_for(lambda event: event.details.get("pki_status") == "PENDING", span=3000)
    bench.cancel.set()
    thread.join(30)
    [report] = results
    assert report.cancelled
    assert [type(outcome.result) for outcome in report.slots] == [Pending]


def test_a_reference_can_be_made_wrong(bench: Bench) -> None:
    def weak(interpretation: Interpretation, identity: Identity, store: CertificateStore, now: datetime) -> tuple[Decision, ...]:
        decisions = boot_plan(interpretation, identity, store, now)
        return tuple(
            Enrol(dataclasses.replace(one.profile, key_bits=1024)) if isinstance(one, Enrol) else one for one in decisions
        )

    bench.settings(MYCERTURL=bench.url(1), MYCERTKEYLEN="2048")
    assert isinstance(bench.boot(plan=weak).slot(1).result, Issued)
    assert bench.signer.csrs[0].key_bits == 1024
