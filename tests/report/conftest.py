"""A synthetic night: three phones, one of them with a wrong key length, told in a record as a run would leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hil.judge.verdict import Verdict
from hil.report.record import (
    Boot,
    Confirmation,
    Fault,
    Finding,
    InCapture,
    InLog,
    Mate,
    NotApplicable,
    Phone,
    Record,
    Recovery,
    Requirement,
    Run,
    ServedFile,
    Sitting,
    SlotScenario,
    Span,
    Stray,
    Test,
    Testbed,
)
from hil.report.verdicts import count

START = datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)

PHONES = (
    Phone(name="j139-1", model="J139", mac="c8:1f:ea:00:00:01", serial="19WZ00000001", firmware="4.1.3.0.6"),
    Phone(name="j179-1", model="J179", mac="c8:1f:ea:00:00:02", serial="19WZ00000002", firmware="4.1.3.0.6"),
    Phone(name="j189-1", model="J189", mac="c8:1f:ea:00:00:03", serial="19WZ00000003", firmware="4.0.14.0.7"),
)

# id, title, fact, setting that asks for it, what phone and reference show
STATEMENTS = (
    ("NO-URL-NO-CONTACT", "No enrolment where no URL is set", "enrolled", "no URL", False),
    ("URL-PROFILE-2", "The second profile has a URL of its own", "url", "MYCERTURL_2=http://ca/", "/scep/2/pkiclient.exe"),
    ("KEYLEN-2048", "Key of 2048 bits", "csr.key_bits", "MYCERTKEYLEN=2048", 2048),
    ("KEYLEN-4096", "Key of 4096 bits where asked for", "csr.key_bits", "MYCERTKEYLEN=4096", 4096),
    ("KEYLEN-INVALID", "An invalid key length is ignored", "csr.key_bits", "MYCERTKEYLEN=1024", 2048),
    ("CN-SERIALNO", "$SERIALNO in the common name, in upper case", "csr.common_name", "MYCERTCN=$SERIALNO", "19WZ00000001"),
    ("CN-MACADDR", "$MACADDR in the common name, no separators", "csr.common_name", "MYCERTCN=$MACADDR", "c81fea000001"),
    ("DN-ORDER", "Parts of MYCERTDN in the order given", "csr.subject_order", "MYCERTDN=/C=DE/O=Lab", ["C", "O", "CN"]),
    ("CAID-DEFAULT", "CA identifier CAIdentifier where none is set", "ca_identifier", "MYCERTCAID unset", "CAIdentifier"),
    ("ENCALG-DES", "SCEPENCALG 0 encrypts with DES", "content_cipher", "SCEPENCALG=0", "des-cbc"),
    ("ENCALG-AES", "SCEPENCALG 1 encrypts with AES-256", "content_cipher", "SCEPENCALG=1", "aes-256-cbc"),
    ("PASSWORD-FIXED", "A fixed challengePassword is sent", "csr.challenge_password", "SCEPPASSWORD fixed", "present"),
    ("CSR-SIGNATURE", "The CSR is signed with the key it asks for", "csr.signature_valid", "no URL", True),
    ("NO-SECOND-ENROLMENT", "A restart does not enrol again", "second_boot.enrolled", "restart", False),
)


def _capture(phone: str, sitting: str, boot: int, frame: int) -> InCapture:
    return InCapture(file=f"evidence/{phone}/{sitting}/boot-{boot}.pcapng", frame=frame, time=START + timedelta(seconds=frame))


def _finding(phone: str, sitting: str, frame: int, fact: str, value: object, requirement: str) -> Finding:
    return Finding.model_validate(
        {
            "fact": fact,
            "phone": value,
            "phone_seen": _capture(phone, sitting, 2, frame),
            "reference": value,
            "reference_seen": _capture(phone, sitting, 2, frame + 14),
            "expected": value,
            "rule": "exact",
            "source": f"documented {requirement}",
            "verdict": Verdict.CONFORMS,
        }
    )


def _habits(phone: str, sitting: str) -> Iterator[Finding]:
    for fact, mine, its in (
        ("csr.digest", "sha256", "sha512"),
        ("transport.method", "GET", "POST"),
        ("sender_nonce.bytes", 16, 16),
        ("user_agent", None, "j100-hil reference"),
    ):
        yield Finding(
            fact=fact,
            phone=mine,
            phone_seen=None if mine is None else _capture(phone, sitting, 2, 41),
            reference=its,
            reference_seen=_capture(phone, sitting, 2, 55),
            rule="recorded",
            source="baseline",
            verdict=Verdict.CHARACTERISED,
        )


def _test(phone: str, index: int) -> Test:
    requirement, _, fact, _, value = STATEMENTS[index]
    sitting, slot = f"s{index // 3 + 1:02}", index % 3 + 1
    name = f"test_{requirement.lower().replace('-', '_')}"
    mates = [other for other in range(index // 3 * 3, min(index // 3 * 3 + 3, len(STATEMENTS))) if other != index]
    return Test(
        id=f"suite/test_enrolment.py::{name}[{phone}]",
        name=name,
        phone=phone,
        requirements=(requirement,),
        verdict=Verdict.CONFORMS,
        seconds=0.01,
        sitting=sitting,
        slot=slot,
        mates=tuple(Mate(slot=other % 3 + 1, scenario=STATEMENTS[other][3]) for other in mates),
        findings=(_finding(phone, sitting, 41 + index, fact, value, requirement), *_habits(phone, sitting)),
    )


def deviating(test: Test) -> Test:
    """The test `test` as a phone that sends 2048 bits instead of what was asked for would leave it."""
    wrong = {"phone": 2048, "verdict": Verdict.DEVIATES, "reason": "2048 where 4096 was asked for"}
    first = test.findings[0].model_copy(update=wrong)
    return test.model_copy(
        update={
            "verdict": Verdict.DEVIATES,
            "reason": "assert 2048 == 4096",
            "confirmation": Confirmation(sitting="s21", verdict=Verdict.DEVIATES),
            "findings": (first, *test.findings[1:]),
        }
    )


def inconclusive(test: Test) -> Test:
    """The test `test` with nothing to judge."""
    return test.model_copy(
        update={"verdict": Verdict.INCONCLUSIVE, "reason": "the recorder stopped 12 s before the boot ended", "findings": ()}
    )


def _spans(slots: int) -> Iterator[Span]:
    for device, late in (("phone", 0.0), ("reference", 1.7)):
        yield Span.model_validate({"lane": device, "label": "DHCP", "begin": 18.2 + late, "end": 18.9 + late, "frame": 4})
        yield Span.model_validate(
            {"lane": device, "label": "/J100Supgrade.txt", "begin": 21.0 + late, "end": 21.1 + late, "frame": 9}
        )
        yield Span.model_validate(
            {"lane": device, "label": "/46xxsettings.txt", "begin": 21.4 + late, "end": 21.5 + late, "frame": 13}
        )
        yield Span.model_validate({"lane": device, "label": "SNTP", "begin": 23.0 + late, "end": 23.0 + late, "frame": 17})
        for slot in range(1, slots + 1):
            at = 22.0 + 6 * slot + late
            for label, begin, length, frame in (
                ("GetCACaps", 0.0, 0.1, 20),
                ("GetCACert", 0.3, 0.1, 24),
                ("key generation", 0.5, 3.4 if device == "phone" else 14.0, None),
                ("PKCSReq", 4.0, 0.6, 41),
                ("CertPoll", 9.0, 0.2, 47),
            ):
                told = {"lane": device, "slot": slot, "label": label, "begin": at + begin, "end": at + begin + length}
                yield Span.model_validate(told | {"frame": frame})
        yield Span.model_validate({"lane": device, "label": "settled", "begin": 71.0 + late, "end": 90.0})


def _boot(phone: str, sitting: str, index: int, kind: str, slots: int) -> Boot:
    folder = f"evidence/{phone}/{sitting}/boot-{index}"
    started = START + timedelta(seconds=100 * index)
    names = ("J100Supgrade.txt", "46xxsettings.txt")
    served = tuple(ServedFile(path=f"/{name}", file=f"{folder}/files/{name}") for name in names)
    return Boot.model_validate(
        {
            "index": index,
            "kind": kind,
            "started": started,
            "ended": started + timedelta(seconds=90),
            "capture": f"{folder}.pcapng",
            "events": f"{folder}.events.jsonl",
            "complete": True,
            "packets": 123,
            "served": served,
            "timeline": tuple(_spans(slots)),
        }
    )


def _sitting(phone: str, number: int) -> Sitting:
    indices = range((number - 1) * 3, min(number * 3, len(STATEMENTS)))
    name = f"s{number:02}"
    scenarios = tuple(SlotScenario(slot=index % 3 + 1, text=STATEMENTS[index][3]) for index in indices)
    boots = tuple(_boot(phone, name, index, kind, len(scenarios)) for index, kind in ((1, "clear"), (2, "main")))
    return Sitting(id=name, phone=phone, scenarios=scenarios, boots=boots)


def _record(tests: tuple[Test, ...], sittings: tuple[Sitting, ...], exit_code: int, exit_text: str) -> Record:
    return Record(
        run=Run(
            id="2026-11-23T150000Z",
            started=START,
            finished=START + timedelta(seconds=161),
            seconds=161.2,
            exit_code=exit_code,
            exit_text=exit_text,
            testbed=Testbed(name="virtual", file="virtual.yaml", kind="virtual", rate=30.0),
            versions={"j100-hil": "0.1.0", "python": "3.11.7"},
        ),
        phones=PHONES,
        requirements=tuple(
            Requirement(id=name, title=title, place="SCEP page", basis="documented", since="4.0.13.0", facts=(fact,))
            for name, title, fact, _, _ in STATEMENTS
        ),
        tests=tests,
        sittings=sittings,
        behaviours={
            phone.name: {"csr.digest": "sha1" if phone.model == "J189" else "sha256", "transport.method": "GET"}
            for phone in PHONES
        },
        counts=count(test.verdict for test in tests),
    )


@pytest.fixture
def good_night() -> Record:
    """A night in which every phone conforms."""
    tests = tuple(_test(phone.name, index) for phone in PHONES for index in range(len(STATEMENTS)))
    sittings = tuple(_sitting(phone.name, number) for phone in PHONES for number in range(1, 6))
    return _record(tests, sittings, 0, "passed")


@pytest.fixture
def bad_night(good_night: Record) -> Record:
    """A night with a deviation, a test without evidence, one not applicable, a recovery, strays and a bench fault."""
    by_id = {test.id: test for test in good_night.tests}
    for test in good_night.tests:
        match test.phone, test.requirements[0]:
            case "j179-1", "KEYLEN-4096":
                by_id[test.id] = deviating(test)
            case "j139-1", "ENCALG-AES" | "PASSWORD-FIXED":
                by_id[test.id] = inconclusive(test)
            case "j189-1", "NO-SECOND-ENROLMENT":
                update = {"verdict": Verdict.NOT_APPLICABLE, "reason": "firmware before 4.1", "findings": (), "sitting": None}
                by_id[test.id] = test.model_copy(update=update)
    tests = tuple(by_id.values())
    lost = good_night.sittings[3]
    cut = lost.boots[1].model_copy(update={"complete": False, "problems": ("the recorder stopped 12 s before the boot ended",)})
    sittings = [*good_night.sittings, _sitting("j179-1", 1).model_copy(update={"id": "s21"})]
    sittings[3] = lost.model_copy(update={"boots": (lost.boots[0], cut)})
    last = good_night.tests[-1].id
    return _record(tests, tuple(sittings), 1, "a phone deviates").model_copy(
        update={
            "recoveries": (
                Recovery(
                    phone="j139-1",
                    port="1.1",
                    turned_off=START - timedelta(hours=7),
                    powered=START,
                    text="read back as delivering",
                ),
            ),
            "warnings": ("the bench's CA is over on 2027-01-01",),
            "strays": (Stray(sitting="s02", text="GetCACaps from 192.0.2.77, which no lease names (frame 61)"),),
            "faults": (Fault(phone="j139-1", sitting="s04", text="the recorder stopped 12 s before the boot ended"),),
            "not_applicable": (NotApplicable(test=last, reason="firmware before 4.1"),),
        }
    )


def _files(record: Record) -> Iterator[str]:
    for sitting in record.sittings:
        for boot in sitting.boots:
            yield from (path for path in (boot.capture, boot.events) if path)
            yield from (served.file for served in boot.served)


@pytest.fixture
def lay_down(tmp_path: Path) -> Callable[[Record], Path]:
    """Writes a record with empty evidence files into a run's folder, and returns the folder."""

    def write(record: Record) -> Path:
        run_dir = tmp_path / "reports" / record.run.id
        for path in _files(record):
            (run_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (run_dir / path).touch()
        record.save(run_dir)
        return run_dir

    return write


@pytest.fixture
def in_log() -> InLog:
    """A proof that lies in a log."""
    return InLog(file="evidence/j179-1/s02/boot-2.events.jsonl", line=7, time=START)
