"""Images that are kept for the way back, and what phones ran before."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import LabFault, Misuse
from hil.firmware.images import ImageSet
from hil.firmware.keeping import Cellar
from hil.identity import Firmware, Identity

PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
NAME = "FW_S_J179_R4_1_5_0_6.bin"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(b"an image")
    return path


def test_what_is_kept_outlives_the_file_it_was_kept_from(image: Path, tmp_path: Path) -> None:
    cellar = Cellar(tmp_path / "states")
    kept = cellar.keep({"j179-1": ImageSet.read([image]).offer_for(PHONE)})["j179-1"]
    image.unlink()
    assert [path.read_bytes() for path in kept.images] == [b"an image"]
    again = cellar.image_set("J179", Firmware("4.1.5.0.6"))
    assert again is not None
    assert again.offer_for(PHONE) == kept
    assert cellar.image_set("J179", Firmware("4.1.3.0.6")) is None
    assert cellar.image_set("J139", Firmware("4.1.5.0.6")) is None


def test_another_file_of_the_same_name_is_refused_and_the_same_is_kept_once(image: Path, tmp_path: Path) -> None:
    cellar = Cellar(tmp_path / "states")
    offers = {"j179-1": ImageSet.read([image]).offer_for(PHONE)}
    kept = cellar.keep(offers)
    assert cellar.keep(offers) == cellar.keep(kept) == kept
    image.write_bytes(b"another")
    with pytest.raises(Misuse, match="another file of this name is kept already"):
        cellar.keep(offers)


def test_an_image_that_cannot_be_kept_is_a_fault_of_the_bench(image: Path, tmp_path: Path) -> None:
    offers = {"j179-1": ImageSet.read([image]).offer_for(PHONE)}
    image.unlink()
    with pytest.raises(LabFault, match="an image cannot be kept"):
        Cellar(tmp_path / "states").keep(offers)


def test_what_a_phone_ran_before_is_known_of_its_last_install(tmp_path: Path) -> None:
    cellar = Cellar(tmp_path / "states")
    assert cellar.before("a") is None
    cellar.note("a", "j179-1", Firmware("4.1.3.0.6"), Firmware("4.1.5.0.6"))
    cellar.note("b", "j179-2", Firmware("4.0.13.0"), Firmware("4.1.5.0.6"))
    cellar.note("a", "j179-1", Firmware("4.1.5.0.6"), Firmware("4.1.11.0.9"))
    assert cellar.before("a") == Firmware("4.1.5.0.6")
    assert cellar.before("b") == Firmware("4.0.13.0")


def test_a_history_that_is_torn_is_named_and_not_taken_for_none(tmp_path: Path) -> None:
    cellar = Cellar(tmp_path)
    cellar.note("a", "j179-1", Firmware("4.1.3.0.6"), Firmware("4.1.5.0.6"))
    history = tmp_path / "firmware" / "installed.jsonl"
    history.write_text(history.read_text() + '{"key": "a", "pho')
    with pytest.raises(LabFault, match=r"the history of installs cannot be read; .*installed\.jsonl"):
        cellar.before("a")


def test_a_history_that_cannot_be_written_is_a_fault_of_the_bench(tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "installed.jsonl").symlink_to("/dev/full")
    with pytest.raises(LabFault, match=r"what it ran before cannot be written down .*phone j179-1.*No space left"):
        Cellar(tmp_path).note("a", "j179-1", Firmware("4.1.3.0.6"), Firmware("4.1.5.0.6"))


def test_an_image_is_on_disk_before_it_has_its_name_and_another_bench_s_copy_is_left_alone(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cellar, images = Cellar(tmp_path / "states"), tmp_path / "states" / "firmware" / "images"
    images.mkdir(parents=True)
    other = images / f"{image.stem}.part"
    other.write_bytes(b"an im")
    synced: list[bytes] = []

    def note(descriptor: int) -> None:
        assert not (images / NAME).exists()
        synced.append(Path(f"/proc/self/fd/{descriptor}").read_bytes())

    monkeypatch.setattr("os.fsync", note)
    cellar.keep({"j179-1": ImageSet.read([image]).offer_for(PHONE)})
    assert synced == [b"an image"]
    assert {path.name: path.read_bytes() for path in images.iterdir()} == {NAME: b"an image", other.name: b"an im"}
