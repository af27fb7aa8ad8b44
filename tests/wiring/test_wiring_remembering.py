"""What a phone last said by HTTP outlives the run, and not the phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.bench.testbed import load
from hil.errors import LabFault
from hil.wiring.remembering import remember, remembered
from hil.wiring.sayings import Said, Way

AGENT = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:c81fea830179)"
(_, PHONE, _) = load(Path(__file__).parents[2] / "testbeds" / "virtual.yaml").phones


def test_it_is_kept_by_name_and_mac(tmp_path: Path) -> None:
    assert remembered(tmp_path, PHONE) is None
    remember(tmp_path, PHONE, "curl/7.88", datetime(2026, 11, 26, tzinfo=UTC))
    assert remembered(tmp_path, PHONE) is None
    remember(tmp_path, PHONE, AGENT, datetime(2026, 11, 27, 2, 10, tzinfo=UTC))
    where = "file request of 2026-11-27T02:10:00+00:00"
    assert remembered(tmp_path, PHONE) == Said(Way.HTTP, where, "c8:1f:ea:83:01:79", "J179", None, "4.1.3.0.6")
    exchanged = PHONE.model_copy(update={"mac": "c8:1f:ea:83:01:80"})
    assert remembered(tmp_path, exchanged) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"mac": "c8:1f:ea:83:01:79"}'])
def test_a_torn_file_is_named_and_written_anew(tmp_path: Path, content: str) -> None:
    remember(tmp_path, PHONE, AGENT, datetime(2026, 11, 27, tzinfo=UTC))
    (tmp_path / "agents" / "j179-1.json").write_text(content)
    with pytest.raises(LabFault, match=r"remove the file.*phone j179-1, tried read .*j179-1\.json"):
        remembered(tmp_path, PHONE)
    remember(tmp_path, PHONE, AGENT, datetime(2026, 11, 27, tzinfo=UTC))
    assert remembered(tmp_path, PHONE) is not None


def test_a_disk_that_is_full_is_a_fault_of_the_bench(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "j179-1.new").symlink_to("/dev/full")
    with pytest.raises(LabFault, match=r"cannot be kept .*phone j179-1.*No space left"):
        remember(tmp_path, PHONE, AGENT, datetime(2026, 11, 27, tzinfo=UTC))
