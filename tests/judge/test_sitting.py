"""Whose exchange it is, what evidence lets nobody judge, and what an absence needs before it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from made_evidence import ADDRESS, EPOCH, IDENTITY, NAME, REFERENCE, SERVER, Device, but, fresh_ask, never, phone, reference

from hil.campaign.plan import PlannedBoot
from hil.capture.transcript import DhcpServer, TimeReply, Transcript
from hil.judge.sitting import Sitting
from hil.judge.verdict import Inconclusive
from hil.scenario import ChangeSettings, Issue, Pend, Restart, Scenario
from hil_fixtures.boots import recorded_sitting

Make = Callable[..., Sitting]
THREE = (Scenario(slot=1), Scenario((("SCEPENCALG", "1"),), slot=2), Scenario((("MYCERTCN", "third $MACADDR"),), slot=3))
NO_URL = Scenario((("MYCERTURL", ""),), slot=2)
CLEARED = (ChangeSettings((("DELETE_SCEP_CERT", "1"),)), ChangeSettings((("DELETE_SCEP_CERT", "0"),)))


def reasons(made: Sitting) -> list[str]:
    made.of(NAME, 1)
    return [stray.reason for stray in made.strays]


class TestAttribution:
    def test_each_exchange_belongs_to_its_device_and_slot(self, sitting: Make) -> None:
        made = sitting(*THREE)
        for device in (NAME, f"{NAME}.reference"):
            for slot in (1, 2, 3):
                seen = made.of(device, slot).seen
                assert [each.exchange.operation for each in seen] == ["GetCACaps", "GetCACert", "PKIOperation"]
                assert {each.exchange.path for each in seen} == {f"/scep/{device}/{slot}/pkiclient.exe"}
        assert not made.strays

    def test_mates_are_the_other_slots(self, sitting: Make) -> None:
        made = sitting(*THREE)
        assert [mate.slot for mate in made.of(NAME, 2).mates] == [1, 3]
        assert made.of(NAME, 2).mates[1].csr.common_name == f"third {IDENTITY.mac_digits}"

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"mac": "00:00:5e:00:53:01"}, "neither the phone"),
            ({"client": "192.0.2.99"}, "neither the phone"),
            ({"path": "/scep/j179-2/1/pkiclient.exe"}, "asked the SCEP path of j179-2"),
            ({"path": "/scep/j179-1.reference/1/pkiclient.exe"}, "asked the SCEP path of j179-1.reference"),
            ({"path": "/scep/j179-1/4/pkiclient.exe"}, "no device's SCEP path"),
            ({"path": "/certsrv/mscep/mscep.dll"}, "no device's SCEP path"),
        ],
    )
    def test_what_fits_nobody_is_a_stray(self, sitting: Make, wrong: dict[str, Any], said: str) -> None:
        made = sitting(Scenario(slot=1), phone_=phone(but(**wrong)))
        assert not made.of(NAME, 1).contacted
        assert made.of(f"{NAME}.reference", 1).enrolled
        assert len(made.strays) == 3
        assert all(said in stray.reason and stray.file == "boot-2.pcapng" for stray in made.strays)

    def test_the_phone_speaks_from_the_address_that_it_was_leased(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1), leased="192.0.2.222", phone_=replace_address("192.0.2.222"))
        made.require_whole()
        assert made.of(NAME, 1).enrolled

    def test_not_from_another_while_a_lease_is_seen(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1), leased="192.0.2.222")
        assert not made.of(NAME, 1).contacted
        with pytest.raises(Inconclusive, match="not seen to fetch its settings"):
            made.require_whole()

    def test_a_second_dhcp_server_makes_it_inconclusive_and_is_named(self, sitting: Make) -> None:
        def answered(boot: PlannedBoot, transcript: Transcript) -> Transcript:
            seen = [DhcpServer(4, EPOCH, IDENTITY.mac, SERVER), DhcpServer(5, EPOCH, "00:00:5e:00:53:01", "192.0.2.9")]
            if boot.kind == "main":
                seen.append(DhcpServer(7, EPOCH, IDENTITY.mac, "192.0.2.8"))
            return replace(transcript, dhcp_servers=tuple(seen))

        made = sitting(Scenario(slot=1), transcribed=answered)
        named = (
            rf"boot 2 \(main\): boot-2.pcapng: more than one DHCP server answered, {SERVER} \(frame 4\) and 192.0.2.8 \(frame 7\)"
        )
        with pytest.raises(Inconclusive, match=named):
            made.require_whole()

    def test_without_a_lease_in_the_capture_the_testbed_says_where_it_is(self, sitting: Make) -> None:
        assert sitting(Scenario(slot=1), leased=None).of(NAME, 1).enrolled

    def test_a_stranger_at_the_address_of_the_phone_is_not_the_phone(self, sitting: Make) -> None:
        stranger = fresh_ask(1, mac="00:00:5e:00:53:01", client=ADDRESS)
        made = sitting(Scenario(slot=1), phone_=phone(never, extra=[stranger]))
        assert not made.of(NAME, 1).contacted

    def test_the_reference_is_known_by_its_address(self, sitting: Make) -> None:
        posing = fresh_ask(1, client=REFERENCE, path="/scep/j179-1.reference/1/pkiclient.exe")
        made = sitting(Scenario(slot=1), phone_=phone(never, extra=[posing]), reference_=reference(never))
        assert made.of(f"{NAME}.reference", 1).contacted
        assert not made.of(NAME, 1).contacted

    def test_a_stray_is_listed_once_however_often_the_sitting_is_asked(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1), phone_=phone(but(path="/elsewhere")))
        assert len(reasons(made)) == len(reasons(made)) == 3

    def test_what_a_phone_asks_that_no_slot_was_told_of_is_held_against_the_slot_without_a_url(self, sitting: Make) -> None:
        guess = fresh_ask(1, path="/scep/pkiclient.exe", after=20.0)
        made = sitting(Scenario(slot=1), NO_URL, phone_=phone(extra=[guess]))
        assert made.of(NAME, 2).contacted
        assert made.of(NAME, 2).where.frame == 10
        assert len(made.of(NAME, 1).enrolments) == 1
        assert not made.strays

    def test_not_what_it_asks_while_it_is_cleared_or_controlled(self, sitting: Make) -> None:
        made = sitting(NO_URL, phone_=phone(but(path="/elsewhere")))
        assert not made.of(NAME, 2).contacted
        assert len(made.strays) == 3


def replace_address(address: str) -> Device:
    made = phone()
    made.address = address
    return made


class TestWholeness:
    def test_whole_evidence_is_judged(self, sitting: Make) -> None:
        sitting(*THREE).require_whole()

    def test_a_boot_that_was_not_recorded_to_its_end(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1))
        boot = made.boots[0]
        broken = replace(boot, manifest=boot.manifest.model_copy(update={"problems": ("dumpcap ended before it was told to",)}))
        with pytest.raises(Inconclusive, match=r"s01, boot 1 \(clear\): dumpcap ended"):
            Sitting(made.folder, made.manifest, (broken, *made.boots[1:])).require_whole()

    def test_a_phone_that_did_not_come_to_rest_while_it_was_cleared(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1))
        boot = made.boots[0]
        restless = replace(boot, manifest=boot.manifest.model_copy(update={"in_time": False}))
        with pytest.raises(Inconclusive, match=r"boot 1 \(clear\): the phone kept starting anew"):
            Sitting(made.folder, made.manifest, (restless, *made.boots[1:])).require_whole()
        Sitting(made.folder, made.manifest, (restless, *made.boots)).require_whole()

    @pytest.mark.parametrize("kind", ["clear", "main", "restart"])
    def test_a_capture_with_a_gap_in_any_boot(self, sitting: Make, kind: str) -> None:
        def gap(boot: PlannedBoot, transcript: Transcript) -> Transcript:
            return replace(transcript, problems=("frame 9: 200 bytes are missing",)) if boot.kind == kind else transcript

        with pytest.raises(Inconclusive, match="200 bytes are missing"):
            sitting(Scenario(slot=1, steps=(Restart(),)), transcribed=gap).require_whole()

    def test_a_boot_of_which_a_mirror_lost_something(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1))
        lost = [f"frame {frame}: 1448 octets are missing" for frame in range(5)]
        broken = Sitting(made.folder, made.manifest, (replace(made.boots[0], missing=tuple(lost)), *made.boots[1:]))
        with pytest.raises(Inconclusive, match=r"boot-1\.pcapng: frame 0: 1448 octets are missing; frame 1"):
            broken.require_whole()
        recorded = recorded_sitting(broken, made.folder.parents[2]).boots
        assert [boot.complete for boot in recorded] == [False, True]
        assert [boot.problems for boot in recorded] == [tuple(lost[:3]), ()]

    def test_a_phone_that_was_not_seen_to_read_its_settings(self, sitting: Make) -> None:
        with pytest.raises(Inconclusive, match="not seen to fetch its settings"):
            sitting(Scenario(slot=1), phone_=phone(reads_settings=False)).require_whole()

    @pytest.mark.parametrize("changes", [{"status": 404}, {"status": None}, {"method": "HEAD"}, {"path": "/46xxsettings.txt"}])
    def test_what_is_no_reading_of_the_settings(self, sitting: Make, changes: dict[str, Any]) -> None:
        def other(_: PlannedBoot, transcript: Transcript) -> Transcript:
            return replace(transcript, fetches=tuple(replace(fetch, **changes) for fetch in transcript.fetches))

        with pytest.raises(Inconclusive, match="not seen to fetch its settings"):
            sitting(Scenario(slot=1), transcribed=other).require_whole()

    def test_the_settings_of_the_reference_are_not_the_phone_s(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1), phone_=phone(reads_settings=False), reference_=reference())
        with pytest.raises(Inconclusive, match=f"{NAME} was not seen"):
            made.require_whole()

    def test_a_request_that_the_end_of_the_boot_cut_off(self, sitting: Make) -> None:
        def cut(_: PlannedBoot, transcript: Transcript) -> Transcript:
            problem = {"request": None, "reply": None, "reply_frame": None, "problems": ("no answer: the capture ends",)}
            exchanges = [replace(each, **problem) if each.operation == "PKIOperation" else each for each in transcript.exchanges]
            return replace(transcript, exchanges=tuple(exchanges))

        with pytest.raises(Inconclusive, match="no answer: the capture ends"):
            sitting(Scenario(slot=1), transcribed=cut).require_whole()


class TestAbsence:
    def test_a_grant_in_the_same_boot_is_a_witness(self, sitting: Make) -> None:
        sitting(Scenario(slot=1), NO_URL).require_witness()

    def test_a_grant_in_the_control_boot_is_a_witness(self, sitting: Make) -> None:
        made = sitting(NO_URL)
        assert [boot.manifest.kind for boot in made.boots] == ["clear", "control", "clear", "main"]
        made.require_witness()

    def test_a_control_boot_is_no_part_of_the_scenario(self, sitting: Make) -> None:
        made = sitting(Scenario((("SCEPPASSWORD", ""),), slot=1, alone=True))
        assert not made.of(NAME, 1).contacted

    def test_without_a_grant_there_is_no_witness(self, sitting: Make) -> None:
        with pytest.raises(Inconclusive, match="nothing enrolled on j179-1"):
            sitting(NO_URL, phone_=phone(never)).require_witness()

    def test_the_reference_is_no_witness(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1), NO_URL, phone_=phone(never))
        assert made.of(f"{NAME}.reference", 1).enrolled
        with pytest.raises(Inconclusive, match="nothing enrolled"):
            made.require_witness()

    def test_a_request_that_was_refused_is_no_witness(self, sitting: Make) -> None:
        with pytest.raises(Inconclusive, match="nothing enrolled"):
            sitting(Scenario(slot=1), NO_URL, phone_=phone(but(spoiled=True))).require_witness()

    def test_a_witness_can_be_asked_for_in_one_slot(self, sitting: Make) -> None:
        made = sitting(*THREE, phone_=phone(lambda ask: None if ask.slot == 2 else ask))
        made.require_witness((1, 3))
        with pytest.raises(Inconclusive, match="nothing enrolled"):
            made.require_witness((2,))

    @pytest.mark.parametrize(("lasts", "enough"), [(29.0, False), (30.0, True)])
    def test_an_absence_is_watched_as_long_as_its_witness_took(self, sitting: Make, lasts: float, enough: bool) -> None:
        steps = (Restart(),)
        made = sitting(Scenario(slot=3, steps=steps), lasts=lambda boot: lasts if boot.kind == "restart" else 900.0)
        if enough:
            made.require_witness((3,))
        else:
            with pytest.raises(Inconclusive, match=r"boot 3: power went off 29 s after .* its witness took 30 s"):
                made.require_witness((3,))

    def test_a_boot_that_shows_the_enrolment_need_not_last_as_long_as_the_slowest(self, sitting: Make) -> None:
        scenario = Scenario(slot=3, steps=CLEARED)
        made = sitting(scenario, lasts=lambda boot: 900.0 if boot.scenarios and boot.scenarios[0][1].deletes else 29.0)
        with pytest.raises(Inconclusive, match="its witness took 30 s"):
            made.require_witness((3,))
        made.require_witness((3,), absent_in=3)

    @pytest.mark.parametrize(("lasts", "enough"), [(599.0, False), (600.0, True)])
    def test_a_phone_that_does_not_enrol_had_the_time_that_it_may_take(self, sitting: Make, lasts: float, enough: bool) -> None:
        made = sitting(Scenario(slot=1), phone_=phone(never), lasts=lambda _: lasts)
        if enough:
            made.require_patience()
        else:
            with pytest.raises(Inconclusive, match=r"power went off 599 s after the settings were read.*boot_limit"):
                made.require_patience()

    def test_one_that_enrolled_needs_no_patience(self, sitting: Make) -> None:
        sitting(Scenario(slot=1), lasts=lambda _: 15.0).require_patience()


class TestObservation:
    def test_a_message_sent_again_counts_once(self, sitting: Make) -> None:
        observed = sitting(Scenario(slot=1), phone_=phone(but(times=3))).of(NAME, 1)
        assert len(observed.seen) == 5
        assert len(observed.enrolments) == 1
        assert observed.request.nonce_fresh

    def test_the_same_transaction_in_another_boot_is_another_enrolment(self, sitting: Make) -> None:
        again = phone(but(transaction_id="AB"), keeps=False)
        observed = sitting(Scenario(slot=1, steps=(Restart(),)), phone_=again).of(NAME, 1)
        assert [seen.boot for seen in observed.enrolments] == [2, 3]
        assert observed.enrolments_after_restart == 1

    def test_a_nonce_of_another_slot_is_not_fresh(self, sitting: Make) -> None:
        made = sitting(*THREE, phone_=phone(but(nonce=b"the one and only")))
        assert [made.of(NAME, slot).request.nonce_fresh for slot in (1, 2, 3)] == [False, False, False]
        assert made.of(f"{NAME}.reference", 1).request.nonce_fresh

    def test_a_nonce_of_an_earlier_boot_is_not_fresh(self, sitting: Make) -> None:
        stale = phone(but(nonce=b"the one and only"))
        assert not sitting(Scenario(slot=1, steps=CLEARED), phone_=stale).of(NAME, 1).request.nonce_fresh

    def test_a_message_without_a_nonce_is_not_fresh(self, sitting: Make) -> None:
        assert not sitting(Scenario(slot=1), phone_=phone(but(nonce=b""))).of(NAME, 1).request.nonce_fresh

    def test_the_boots_of_each_enrolment_are_told(self, sitting: Make) -> None:
        made = sitting(Scenario(slot=1, steps=CLEARED))
        observed = made.of(NAME, 1)
        assert [boot.manifest.kind for boot in made.boots] == ["clear", "main", "change", "change"]
        assert observed.enrolled_boots == made.of(f"{NAME}.reference", 1).enrolled_boots == (2, 4)
        assert [observed.enrolments_in(boot) for boot in (1, 2, 3, 4)] == [0, 1, 0, 1]

    def test_a_pending_request_is_an_enrolment_and_no_grant(self, sitting: Make) -> None:
        observed = sitting(Scenario(slot=1, ca=(Pend(9), Issue()))).of(NAME, 1)
        assert len(observed.enrolments) == 1
        assert not observed.enrolled

    def test_times_are_those_of_the_capture(self, sitting: Make) -> None:
        timing = sitting(Scenario(slot=3)).of(NAME, 3).timing
        assert timing.idle_before_contact == timing.contact_after_settings == timing.request_after_settings == 30.0
        assert timing.request_after_power_on == 50.0

    def test_times_are_phone_times(self, sitting: Make) -> None:
        observed = sitting(Scenario(slot=3), rate=20.0).of(NAME, 3)
        assert observed.timing.contact_after_settings == pytest.approx(30.0)
        assert observed.timing.request_after_power_on == pytest.approx(50.0)
        assert observed.where.time == EPOCH + timedelta(seconds=20_050)

    def test_times_are_anchored_to_the_time_that_was_served(self, sitting: Make) -> None:
        def anchored(_: PlannedBoot, transcript: Transcript) -> Transcript:
            assert transcript.first is not None
            served = TimeReply(1, transcript.first, ADDRESS, transcript.first + timedelta(hours=1))
            return replace(transcript, time_replies=(served,))

        observed = sitting(Scenario(slot=1), transcribed=anchored).of(NAME, 1)
        assert observed.where.time == EPOCH + timedelta(seconds=20_030, hours=1)

    def test_the_time_that_was_told_last_counts_and_the_power_keeps_its_own(self, sitting: Make) -> None:
        def told_twice(_: PlannedBoot, transcript: Transcript) -> Transcript:
            assert transcript.first is not None
            first, hour = transcript.first, timedelta(hours=1)
            again = first + timedelta(seconds=40)
            return replace(
                transcript, time_replies=(TimeReply(1, first, ADDRESS, first + hour), TimeReply(2, again, ADDRESS, again - hour))
            )

        observed = sitting(Scenario(slot=1), transcribed=told_twice).of(NAME, 1)
        assert observed.where.time == EPOCH + timedelta(seconds=20_030, hours=1)
        assert observed.timing.request_after_power_on == pytest.approx(30.0)
        later = sitting(Scenario(slot=3), transcribed=told_twice).of(NAME, 3)
        assert later.where.time == EPOCH + timedelta(seconds=20_050, hours=-1)

    def test_the_settings_read_last_before_it_count(self, sitting: Make) -> None:
        def again(_: PlannedBoot, transcript: Transcript) -> Transcript:
            fetches = [replace(each, reply_time=each.request_time + timedelta(seconds=8)) for each in transcript.fetches]
            later = [replace(each, reply_time=each.request_time + timedelta(seconds=99)) for each in transcript.fetches]
            return replace(transcript, fetches=(*transcript.fetches, *fetches, *later))

        assert sitting(Scenario(slot=1), transcribed=again).of(NAME, 1).timing.contact_after_settings == 2.0


class TestTold:
    def test_it_is_what_the_files_of_the_first_boot_make(self, sitting: Make) -> None:
        scenario = Scenario((("MYCERTKEYLEN", "4096"),), slot=2, steps=(ChangeSettings((("MYCERTKEYLEN", "2048"),)),))
        made = sitting(scenario, phone_=phone(never), reference_=reference(never))
        told = made.told(NAME, 2, scenario)
        assert told.asked.key_bits == 4096
        assert told.asked.url == "http://192.0.2.1:80/scep/j179-1/2/pkiclient.exe"
        assert made.told(f"{NAME}.reference", 2, scenario).asked.url.startswith(f"http://{REFERENCE}:80/scep/j179-1.reference/2/")

    def test_firmware_that_does_not_know_a_value_is_told_the_default(self, sitting: Make) -> None:
        scenario = Scenario((("MYCERTKEYLEN", "4096"),), slot=1)
        made = sitting(scenario, phone_=phone(never), reference_=reference(never), firmware="4.0.13.0")
        assert made.told(NAME, 1, scenario).asked.key_bits == 2048

    def test_without_a_url_there_is_no_profile(self, sitting: Make) -> None:
        told = sitting(NO_URL).told(NAME, 2, NO_URL)
        assert told.profile is None
        with pytest.raises(LookupError):
            _ = told.asked
