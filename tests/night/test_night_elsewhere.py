"""The same run by other users, and from other folders."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from night_rig import ONCE_MORE, ROOT, VIRTUAL, Ended, Rig

from hil.judge.verdict import Verdict

ONE = ("-k", "keylen_default", ONCE_MORE)
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")


def allowed(*command: str) -> bool:
    return subprocess.run([*command, "true"], capture_output=True, timeout=30).returncode == 0


def passes(ended: Ended) -> None:
    assert ended.code == 0, ended.said
    assert set(ended.verdicts.values()) == {Verdict.CONFORMS}
    assert ended.left == ()


def test_root_of_a_user_namespace_is_enough(rig: Rig) -> None:
    within = ("unshare", "--user", "--map-root-user", "--net")
    if not allowed(*within):
        pytest.skip("this kernel allows no user namespaces here")
    passes(rig.play(*ONE, testbed=rig.testbed(), within=within))


def test_no_privilege_at_all_is_enough() -> None:
    root = os.geteuid() == 0
    if root and not allowed(*AS_NOBODY, "unshare", "--user", "--map-root-user", "--net"):
        pytest.skip("no user without rights to be had here that may make a user namespace")
    within, python = (AS_NOBODY, python_of_everybody()) if root else ((), sys.executable)
    with tempfile.TemporaryDirectory(prefix="hil-night-") as folder:  # pytest's own are open to their owner alone
        rig = Rig(Path(folder))
        testbed = rig.testbed()
        (rig.folder / "run").mkdir()
        if root:
            for path in (rig.folder, *rig.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        packages = os.pathsep.join((str(ROOT), str(ROOT / "fixtures"), sysconfig.get_path("purelib")))
        try:
            ended = rig.play(*ONE, testbed=testbed, within=within, python=python, PYTHONPATH=packages, HOME=folder)
            passes(ended)
            assert {file.stat().st_uid for file in ended.run.rglob("*")} == {rig.folder.stat().st_uid}
        finally:
            rig.clear_away()


def python_of_everybody() -> str:
    """An interpreter of this version that a user without rights can run; this one may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        # by way of a shell: setpriv itself still has root's rights when it looks for the program
        if allowed(*AS_NOBODY, "sh", "-c", f"exec {candidate} -c pass"):
            return candidate
    pytest.skip(f"no {version} that a user without rights can run")


def test_a_folder_named_fixtures_is_no_obstacle(rig: Rig) -> None:
    theirs = rig.folder / "theirs"
    (theirs / "fixtures").mkdir(parents=True)
    (theirs / "fixtures" / "__init__.py").write_text("NAME = 'theirs'\n")
    (theirs / "test_theirs.py").write_text(
        "import fixtures\n"
        "from hil_fixtures import Observation, scenario\n\n\n"
        '@scenario(MYCERTCN="lab $MACADDR")\n'
        "def test_ours(phone: Observation, reference: Observation) -> None:\n"
        "    assert fixtures.NAME == 'theirs'\n"
        "    assert phone.csr.common_name == reference.csr.common_name == 'lab c81fea830179'\n"
    )
    ended = rig.play(testbed=rig.testbed(), what=["test_theirs.py"], cwd=theirs)
    passes(ended)
    assert [test.name for test in ended.record.tests] == ["test_ours"]


def test_one_phone_plays_what_is_selected_and_nothing_else(rig: Rig) -> None:
    ended = rig.play(*ONE, "--phone", "j189-1", testbed=VIRTUAL)
    passes(ended)
    assert {test.phone for test in ended.record.tests} == {"j189-1"}
    assert [phone.name for phone in (ended.run / "evidence").iterdir()] == ["j189-1"]
    assert sorted(sitting.name for sitting in (ended.run / "evidence" / "j189-1").iterdir()) == ["census", "s01"]
