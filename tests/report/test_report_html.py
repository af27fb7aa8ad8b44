"""The page: what it says, where it leads, and that text from the wire stays text."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from urllib.parse import unquote

import pytest
import typer
from pydantic import JsonValue
from typer.testing import CliRunner

from hil.cli.report import report
from hil.errors import Misuse
from hil.judge.verdict import Verdict
from hil.report.html import render
from hil.report.record import Boot, Record, Span, Test
from hil.report.timeline import figure, lay_out
from hil.report.values import printable, show, span
from hil.report.view import View

Write = Callable[[Record], Path]

HOSTILE = "CN=<script>alert(1)</script>\"' onload=x \u202egnp"


class Page(HTMLParser):
    """The parts of a page that tests ask about."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.matrix: list[list[list[tuple[str, str]]]] = []
        self.data: list[str] = []
        self.text = ""
        self._inside = ""
        self._mark: tuple[str, str] | None = None
        self._in_matrix = False
        self.feed(path.read_text("utf-8"))

    @property
    def rows(self) -> list[list[list[tuple[str, str]]]]:
        """The matrix below its two rows of headings."""
        return self.matrix[2:]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        if told.get("id"):
            self.ids.add(told["id"] or "")
        if tag == "a":
            self.links.append(told["href"] or "")
        if tag == "details" and "open" in told:
            self.open.append(told["id"] or "")
        self._inside = "json" if told.get("type") == "application/json" else tag
        if tag == "table":
            self._in_matrix = told.get("class") == "matrix"
        if self._in_matrix and tag == "tr":
            self.matrix.append([])
        if self._in_matrix and tag == "td":
            self.matrix[-1].append([])
        if self._in_matrix and tag == "a":
            self._mark = (told["href"] or "", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._in_matrix = False
        if tag == "a" and self._mark:
            self.matrix[-1][-1].append(self._mark)
            self._mark = None

    def handle_data(self, data: str) -> None:
        if self._inside == "json":
            self.data.append(data)
            self._inside = ""
        elif self._inside not in ("script", "style"):
            self.text += data
        if self._mark:
            self._mark = (self._mark[0], self._mark[1] + data)


def _altered(record: Record, index: int, **update: object) -> Record:
    tests = list(record.tests)
    tests[index] = tests[index].model_copy(update=update)
    return record.model_copy(update={"tests": tuple(tests)})


def test_the_matrix_has_a_lettered_cell_for_each_requirement_and_phone(bad_night: Record, lay_down: Write) -> None:
    page = Page(render(lay_down(bad_night)))
    rows = [[" ".join(text.split()) for cell in row for _, text in cell] for row in page.rows]
    assert len(rows) == len(bad_night.requirements)
    assert rows[3] == ["C", "D deviates", "C"]
    assert rows[10] == ["I inconclusive", "C", "C"]
    assert rows[13] == ["C", "C", "N"]


def test_two_firmwares_of_a_model_stand_side_by_side_the_older_first(good_night: Record, lay_down: Write) -> None:
    newer = good_night.phones[1].model_copy(update={"firmware": "4.1.11.0.9"})
    older = newer.model_copy(update={"name": "j179-2", "firmware": "4.1.3.0.6"})
    phones = (newer, good_night.phones[2], good_night.phones[0], older)
    record = good_night.model_copy(update={"phones": phones})
    view = View(record)
    assert [(phone.name, phone.firmware) for phone in view.columns[1:3]] == [("j179-2", "4.1.3.0.6"), ("j179-1", "4.1.11.0.9")]
    assert view.models == {"J139": 1, "J179": 2, "J189": 1}
    page = Page(render(lay_down(record)))
    assert ("th", {"scope": "colgroup", "colspan": "2"}) in page.tags
    assert [bool(cell) for cell in page.rows[0]] == [True, False, True, True]  # nothing was tested on j179-2


def test_a_requirement_stands_with_its_place(good_night: Record, lay_down: Write) -> None:
    text = " ".join(Page(render(lay_down(good_night))).text.split())
    assert "Key of 2048 bitsdocumented: SCEP page; since firmware 4.0.13.0" in text


def test_coverage_that_is_missing_is_told_with_its_reason(bad_night: Record, lay_down: Write) -> None:
    unasked = bad_night.requirements[0].model_copy(update={"id": "NOT-SELECTED"})
    record = bad_night.model_copy(update={"requirements": (*bad_night.requirements, unasked)})
    found = {(left.reason, left.phones): [each.id for each in left.requirements] for left in View(record).missing}
    assert found == {
        ("no test of it was selected", ("j139-1", "j179-1", "j189-1")): ["NOT-SELECTED"],
        ("inconclusive: the recorder stopped 12 s before the boot ended", ("j139-1",)): ["ENCALG-AES", "PASSWORD-FIXED"],
        ("not applicable: firmware before 4.1", ("j189-1",)): ["NO-SECOND-ENROLMENT"],
    }
    assert "Coverage missing" in Page(render(lay_down(record))).text


def test_nothing_is_missing_where_everything_was_judged(good_night: Record, lay_down: Write) -> None:
    assert View(good_night).missing == ()
    assert "Coverage missing" not in Page(render(lay_down(good_night))).text


def test_rate_and_time_leapt_over_are_told(good_night: Record, lay_down: Write) -> None:
    leapt = [each.model_copy(update={"leapt": 100_000.0}) for each in good_night.sittings[:3]]
    record = good_night.model_copy(update={"sittings": (*leapt, *good_night.sittings[3:])})
    text = Page(render(lay_down(record))).text
    assert "30 phone seconds a second, 3 d 11 h leapt over" in text
    assert text.count("2 boots, 27 h 46 min leapt over") == 3
    assert "leapt over" not in Page(render(lay_down(good_night))).text


def test_a_cell_leads_to_its_test_and_every_anchor_exists(bad_night: Record, lay_down: Write) -> None:
    page = Page(render(lay_down(bad_night)))
    anchor = View(bad_night).test_anchors["suite/test_enrolment.py::test_keylen_4096[j179-1]"]
    assert page.rows[3][1][0][0] == f"#{anchor}"
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids


def test_every_test_of_a_requirement_has_a_mark_the_worst_first(good_night: Record, lay_down: Write) -> None:
    also = {"requirements": ("KEYLEN-2048",), "verdict": Verdict.DEVIATES}
    page = Page(render(lay_down(_altered(good_night, 3, **also))))
    assert [" ".join(text.split()) for _, text in page.rows[2][0]] == ["D deviates", "C"]
    assert page.rows[3][0] == []  # KEYLEN-4096 of that phone: not tested


def test_links_lead_to_files_of_the_run(bad_night: Record, lay_down: Write) -> None:
    run_dir = lay_down(bad_night)
    files = {link for link in Page(render(run_dir)).links if not link.startswith("#")}
    assert "evidence/j179-1/s02/boot-2.pcapng" in files
    assert "evidence/j179-1/s02/boot-2/files/46xxsettings.txt" in files
    assert all((run_dir / unquote(link)).is_file() for link in files)


def test_a_file_that_is_gone_is_named_and_not_linked(good_night: Record, lay_down: Write) -> None:
    run_dir = lay_down(good_night)
    (run_dir / "evidence/j179-1/s02/boot-2.pcapng").unlink()
    page = Page(render(run_dir))
    assert "evidence/j179-1/s02/boot-2.pcapng" not in page.links
    assert "(not on disk)" in page.text


def test_a_replay_leads_to_the_evidence_of_the_run_it_judged(good_night: Record, lay_down: Write) -> None:
    lay_down(good_night)
    run = good_night.run.model_copy(update={"id": "again", "replay_of": good_night.run.id})
    replay = lay_down(good_night).parent / "again"
    good_night.model_copy(update={"run": run}).save(replay)
    links = [unquote(link) for link in Page(render(replay)).links if "evidence" in link]
    assert links
    assert all(link.startswith("../2026-11-23T150000Z/evidence/") and (replay / link).is_file() for link in links)


def test_findings_stand_side_by_side_with_their_proof(bad_night: Record, lay_down: Write) -> None:
    text = " ".join(Page(render(lay_down(bad_night))).text.split())
    assert (
        "csr.key_bits 2048 4096 4096exact; documented KEYLEN-4096 D deviates2048 where 4096 was asked for "
        "boot-2.pcapng, frame 44reference: boot-2.pcapng, frame 58" in text
    )
    assert "sitting s02, slot 1; beside it: slot 2 MYCERTKEYLEN=1024, slot 3 MYCERTCN=$SERIALNO" in text
    assert "Played once more, alone: deviates (sitting s21)" in text


def test_what_happened_tells_faults_recoveries_and_strays(bad_night: Record, lay_down: Write) -> None:
    text = " ".join(Page(render(lay_down(bad_night))).text.split())
    for told in (
        "j139-1 at port 1.1: off since 2026-11-23 08:00:00 UTC, powered 15:00:00 UTC",
        "Bench fault at the port of j139-1 in sitting s04: the recorder stopped",
        "2 tests: the recorder stopped 12 s before the boot ended",
        "GetCACaps from 192.0.2.77",
        "Before long: the bench's CA is over on 2027-01-01",
        "firmware before 4.1",
    ):
        assert told in text


def test_only_what_needs_eyes_is_opened(bad_night: Record, lay_down: Write) -> None:
    page = Page(render(lay_down(bad_night)))
    anchors = {anchor: test for test, anchor in View(bad_night).test_anchors.items()}
    assert {anchors[anchor].split("::")[1] for anchor in page.open} == {
        "test_keylen_4096[j179-1]",
        "test_encalg_aes[j139-1]",
        "test_password_fixed[j139-1]",
    }


def test_a_record_of_a_run_that_broke_off_can_be_read(bad_night: Record, lay_down: Write) -> None:
    told = {"requirements": ("NEVER-LISTED",), "sitting": "s99", "slot": None, "findings": (), "reason": None}
    night = _altered(_altered(bad_night, 0, **told), 1, requirements=(), verdict=Verdict.INCONCLUSIVE, reason=None)
    bare = {"capture": None, "events": None, "ended": None, "complete": False, "served": (), "timeline": (), "problems": ()}
    boot = night.sittings[1].boots[0].model_copy(update=bare)
    emptied = (night.sittings[0].model_copy(update={"boots": ()}), night.sittings[1].model_copy(update={"boots": (boot,)}))
    run = night.run.model_copy(update={"finished": None, "exit_code": None, "exit_text": ""})
    phones = (night.phones[0].model_copy(update={"firmware": None}), *night.phones[1:])
    night = night.model_copy(update={"run": run, "sittings": emptied, "phones": phones, "behaviours": {}})
    text = " ".join(Page(render(lay_down(night))).text.split())
    for part in (
        "not finished",
        "NEVER-LISTED",
        "tests that name no requirement",
        "no reason was recorded",
        "no capture",
        "0 boots",
    ):
        assert part in text


def test_text_from_the_wire_stays_text(bad_night: Record, lay_down: Write) -> None:
    finding = bad_night.tests[0].findings[0].model_copy(update={"phone": HOSTILE, "verdict": Verdict.DEVIATES})
    night = _altered(bad_night, 0, findings=(finding,), verdict=Verdict.DEVIATES, name=HOSTILE, reason=HOSTILE)
    hostile = Span(lane="phone", label=HOSTILE, begin=1, end=2)
    boot = night.sittings[0].boots[0].model_copy(update={"timeline": (hostile,), "problems": (HOSTILE,)})
    sittings = (night.sittings[0].model_copy(update={"boots": (boot,)}), *night.sittings[1:])
    strays = (night.strays[0].model_copy(update={"text": HOSTILE}),)
    night = night.model_copy(update={"sittings": sittings, "strays": strays, "behaviours": {"j139-1": {HOSTILE: HOSTILE}}})
    path = render(lay_down(night))
    source = path.read_text("utf-8")
    assert "alert(1)" in source
    assert "<script>alert" not in source
    assert "\u202e" not in source
    page = Page(path)
    assert not [told for _, told in page.tags if "onload" in told]
    assert HOSTILE[:30] in page.text
    assert json.loads(page.data[0])["data"][0]["text"] == [
        "CN=&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27; onload=x \\u202egnp"
    ]


def test_the_page_loads_nothing_and_names_no_other_host(bad_night: Record, lay_down: Write) -> None:
    page = Page(render(lay_down(bad_night)))
    assert not [link for link in page.links if ":" in link or link.startswith("//")]
    assert not [tag for tag, told in page.tags if tag in ("link", "img", "iframe") or told.get("src")]


def test_plotly_is_written_once_and_only_where_there_is_a_timeline(good_night: Record, lay_down: Write) -> None:
    run_dir = lay_down(good_night)
    render(run_dir)
    written = (run_dir / "plotly.min.js").stat().st_mtime_ns
    render(run_dir)
    assert (run_dir / "plotly.min.js").stat().st_mtime_ns == written
    (run_dir / "plotly.min.js").unlink()
    good_night.model_copy(update={"sittings": ()}).save(run_dir)
    render(run_dir)
    assert not (run_dir / "plotly.min.js").exists()


def test_a_large_run_stays_light(good_night: Record, lay_down: Write) -> None:
    facts = good_night.tests[0].findings * 3
    tests = [
        test.model_copy(update={"id": f"{test.id}#{copy}", "findings": facts}) for copy in range(3) for test in good_night.tests
    ]
    sittings = [
        sitting.model_copy(update={"id": f"{sitting.id}-{copy}", "boots": (sitting.boots * 2)[:3]})
        for copy in range(3)
        for sitting in good_night.sittings
    ]
    assert (len(tests), len(facts), len(sittings)) == (126, 15, 45)
    run_dir = lay_down(good_night.model_copy(update={"tests": tuple(tests), "sittings": tuple(sittings)}))
    began = perf_counter()
    size = render(run_dir).stat().st_size
    assert size < 4_000_000
    assert perf_counter() - began < 20


def _night(record: Record, *verdicts: Verdict, **update: object) -> View:
    run = record.run.model_copy(update=update)
    tests: tuple[Test, ...] = tuple(
        test.model_copy(update={"verdict": verdict}) for test, verdict in zip(record.tests, verdicts, strict=False)
    )
    return View(record.model_copy(update={"run": run, "tests": tests}))


@pytest.mark.parametrize(
    ("verdicts", "update", "word"),
    [
        ((Verdict.CONFORMS, Verdict.CHARACTERISED), {}, "pass"),
        ((Verdict.CONFORMS,), {"exit_code": 13}, "pass"),
        ((Verdict.CONFORMS, Verdict.DEVIATES, Verdict.BENCH_FAULT), {"exit_code": 1}, "deviation"),
        ((Verdict.CONFORMS, Verdict.INCONCLUSIVE, Verdict.BENCH_FAULT), {"exit_code": 11}, "bench fault"),
        ((Verdict.CONFORMS, Verdict.INCONCLUSIVE), {"exit_code": 1}, "inconclusive"),
        ((Verdict.NOT_APPLICABLE,), {"exit_code": 12}, "inconclusive"),
        ((), {"exit_code": 12}, "inconclusive"),
        ((Verdict.CONFORMS,), {"exit_code": 2, "interrupted": True}, "inconclusive"),
        ((Verdict.CONFORMS,), {"exit_code": None, "finished": None}, "inconclusive"),
        ((Verdict.CONFORMS,), {"exit_code": 1, "exit_text": "an error in a test"}, "inconclusive"),
    ],
)
def test_the_verdict_of_the_run(verdicts: tuple[Verdict, ...], update: dict[str, object], word: str, good_night: Record) -> None:
    assert _night(good_night, *verdicts, **update).headline.word == word


def test_a_night_with_a_noted_fault_is_no_pass(good_night: Record, bad_night: Record) -> None:
    assert View(good_night.model_copy(update={"faults": bad_night.faults})).headline.word == "bench fault"


def test_a_timeline_has_the_phone_above_the_reference_and_no_label_over_another(good_night: Record) -> None:
    boot = good_night.sittings[0].boots[1]
    lanes, bars = lay_out(boot.timeline)
    assert [lane.name for lane in lanes] == [
        "phone", "phone, slot 1", "phone, slot 2", "phone, slot 3",
        "reference", "reference, slot 1", "reference, slot 2", "reference, slot 3",
    ]  # fmt: skip
    for row in {bar.row for bar in bars}:
        on_row = sorted((bar for bar in bars if bar.row == row), key=lambda bar: bar.span.begin)
        for left, right in pairwise(on_row):
            room = right.span.begin - left.span.begin - left.length
            assert room >= (0 if left.label_inside else len(left.label) * 0.5)


def test_a_boot_of_which_nothing_was_seen_has_no_picture(good_night: Record) -> None:
    boot: Boot = good_night.sittings[0].boots[0]
    assert figure(boot.model_copy(update={"timeline": ()})) is None


@pytest.mark.parametrize(
    ("value", "text", "special"),
    [
        (None, "not observed", True),
        ("", "empty", True),
        ([], "none", True),
        (True, "yes", False),
        (0, "0", False),
        ("a\x00b\u202ec", "a\\x00b\\u202ec", False),
        (["C", "O"], "C, O", False),
        ({"a": [True]}, '{"a": [true]}', False),
        ("x" * 3000, "x" * 2000 + "… (3000 characters)", False),
    ],
)
def test_values_are_written_so_that_they_can_be_told_apart(value: JsonValue, text: str, special: bool) -> None:
    shown = show(value)
    assert (shown.text, shown.special) == (text, special)


def test_printable_keeps_letters_of_all_languages() -> None:
    assert printable("Zürich 東京") == "Zürich 東京"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (48, "48 s"), (161.2, "2 min 41 s"), (11100, "3 h 5 min"), (284_400, "3 d 7 h")]
)
def test_spans_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_command_renders_again_and_names_the_page(good_night: Record, lay_down: Write) -> None:
    app = typer.Typer()
    app.command()(report)
    run_dir = lay_down(good_night)
    done = CliRunner().invoke(app, [str(run_dir)])
    assert (done.exit_code, done.output.strip()) == (0, str(run_dir / "index.html"))
    assert (run_dir / "index.html").is_file()


def test_the_command_refuses_a_folder_without_a_record(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(report)
    assert isinstance(CliRunner().invoke(app, [str(tmp_path)]).exception, Misuse)
