"""`--firmware` for a run of the suite: what is tested is what was installed, or nothing is said of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from hil.bench.upgrading import UpgradeBook
from hil.judge.verdict import Verdict
from hil.report.record import Record

ONE_TEST = """
from hil_fixtures import Observation, scenario


@scenario(MYCERTCN="lab $MACADDR")
def test_enrols(phone: Observation, reference: Observation) -> None:
    assert phone.csr.common_name == reference.csr.common_name
"""


def test_a_run_tests_what_it_installed_and_says_nothing_of_a_phone_that_does_not_run_it(
    run: Callable[..., subprocess.CompletedProcess[str]], two_phones: Path, made: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "test_one.py").write_text(ONE_TEST)
    good, bad = made("4.1.5.0.6"), made("4.1.5.0.6", damaged=True, model="J139")
    words = ("--testbed", str(two_phones), "--firmware", str(good), "--firmware", str(bad), "--report-dir", "reports")
    done = run("-m", "pytest", "test_one.py", "-p", "no:cacheprovider", *words)
    record = Record.load((tmp_path / "reports" / "latest").resolve())
    assert {test.phone: test.verdict for test in record.tests} == {
        "j179-1": Verdict.CONFORMS,
        "j139-1": Verdict.INCONCLUSIVE,
    }, done.stdout
    (reason,) = (test.reason for test in record.tests if test.phone == "j139-1")
    assert reason is not None
    assert reason.startswith("the firmware was not installed: 4.1.5.0.6: restarted, and came back as something else")
    assert {phone.name: phone.firmware for phone in record.phones} == {"j139-1": None, "j179-1": "4.1.5.0.6"}
    assert UpgradeBook(tmp_path / "state").of("virtual/j139-1") is None


def test_an_image_of_another_model_is_refused_before_anything_is_opened(
    run: Callable[..., subprocess.CompletedProcess[str]], two_phones: Path, made: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "test_one.py").write_text(ONE_TEST)
    words = ("--testbed", str(two_phones), "--firmware", str(made("4.1.5.0.6")), "--report-dir", "reports")
    done = run("-m", "pytest", "test_one.py", "-p", "no:cacheprovider", *words)
    assert done.returncode == 10
    assert "no image for a J139 among FW_S_J179_R4_1_5_0_6.bin" in done.stdout + done.stderr
    assert not (tmp_path / "state").exists()
