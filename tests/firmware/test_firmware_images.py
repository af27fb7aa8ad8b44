"""What a phone is offered of a set of images, and what is refused before anything is switched."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import Misuse
from hil.firmware.images import Image, ImageSet
from hil.identity import Firmware, Identity
from hil.settings.interpret import interpret

EARLY, LATER = "FW_S_J189_R4_1_11_0_9.bin", "FW_S_J189A_R4_1_11_0_9.bin"
FIELD = b"""SET HTTPDIR J100\r
IF $MODEL4 SEQ J179 GOTO J179_SW\r
IF $MODEL4 SEQ J189 GOTO J189_SW\r
GOTO GETSET\r
# J179_SW\r
SET APPNAME FW_S_J179_R4_1_11_0_9.bin\r
SET JEM24_APPNAME FW_JEM24_R1_0_1_0_27.bin\r
GOTO GETSET\r
# J189_SW\r
IF $HWVERS SEQ 1 GOTO J189_OLD\r
IF $HWVERS SEQ 2 GOTO J189_OLD\r
IF $HWVERS SEQ 3 GOTO J189_OLD\r
SET APPNAME FW_S_J189A_R4_1_11_0_9.bin\r
GOTO GETSET\r
# J189_OLD\r
SET APPNAME FW_S_J189_R4_1_11_0_9.bin\r
# GETSET\r
GET 46xxsettings.txt\r
"""


def phone(model: str) -> Identity:
    return Identity(model, "c8:1f:ea:83:e8:5a", "19WZ1234567A")


def files(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def unpacked(folder: Path, upgrade: bytes = FIELD) -> ImageSet:
    """A folder as a set of images comes in."""
    files(folder, "FW_S_J179_R4_1_11_0_9.bin", EARLY, LATER)
    (folder / "J100Supgrade.txt").write_bytes(upgrade)
    return ImageSet.read([folder])


def takes(upgrade: bytes, model: str, hardware: int = 1) -> str:
    """The APPNAME that a phone reads there; it has to come to its settings, too."""
    read = interpret("f", {"f": upgrade, "46xxsettings.txt": b""}.get, phone(model), hardware=hardware)
    assert read.files == ("f", "46xxsettings.txt")
    assert read.ignored == ()
    return read.value("APPNAME")


@pytest.mark.parametrize(
    ("name", "model", "later", "release"),
    [("FW_S_J179_R4_1_11_0_9.bin", "J179", False, "4.1.11.0.9"), (LATER, "J189", True, "4.1.11.0.9")],
)
def test_the_name_of_an_image_tells_model_and_release(name: str, model: str, later: bool, release: str, tmp_path: Path) -> None:
    (path,) = files(tmp_path, name)
    assert Image.at(path) == Image(path, model, later, Firmware(release))


@pytest.mark.parametrize("name", ["firmware.bin", "FW_S_J179.bin", "FW_H_J179_R6_8_5.bin", "FW_S_J179_R4_1_11_0_9.bin.part"])
def test_another_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="not called as images"):
        ImageSet.read(files(tmp_path, name))


def test_an_image_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no such file"):
        ImageSet.read([tmp_path / EARLY])


def test_each_phone_is_offered_the_image_of_its_model_and_nothing_else(tmp_path: Path) -> None:
    j139, j179 = files(tmp_path, "FW_S_J139_R4_1_5_0_6.bin", "FW_S_J179_R4_1_11_0_9.bin")
    offer = ImageSet.read([j139, j179]).offer_for(phone("J179D02A"))
    assert offer.release == Firmware("4.1.11.0.9")
    assert offer.images == (j179,)
    assert takes(offer.upgrade_file, "J179") == j179.name
    assert takes(offer.upgrade_file, "J139") == ""


def test_a_model_without_an_image_is_refused(tmp_path: Path) -> None:
    images = ImageSet.read(files(tmp_path, "FW_S_J139_R4_1_5_0_6.bin"))
    with pytest.raises(Misuse, match="no image for a J179 among FW_S_J139_R4_1_5"):
        images.offer_for(phone("J179"))


def test_two_images_for_one_phone_are_refused(tmp_path: Path) -> None:
    images = ImageSet.read(files(tmp_path, "FW_S_J179_R4_1_5_0_6.bin", "FW_S_J179_R4_1_11_0_9.bin"))
    with pytest.raises(Misuse, match="are both for a J179"):
        images.offer_for(phone("J179"))


def test_a_j189_takes_what_is_for_its_hardware(tmp_path: Path) -> None:
    offer = ImageSet.read(files(tmp_path, EARLY, LATER)).offer_for(phone("J189"))
    found = {hardware: takes(offer.upgrade_file, "J189", hardware) for hardware in range(1, 12)}
    assert {hardware for hardware, name in found.items() if name == EARLY} == {1, 2, 3}
    assert set(found.values()) == {EARLY, LATER}
    assert {path.name for path in offer.images} == {EARLY, LATER}


def test_a_j189_whose_image_is_not_there_is_offered_nothing(tmp_path: Path) -> None:
    early = ImageSet.read(files(tmp_path, EARLY)).offer_for(phone("J189"))
    assert [takes(early.upgrade_file, "J189", hardware) for hardware in (1, 3, 4, 9)] == [EARLY, EARLY, "", ""]


@pytest.mark.parametrize(
    ("model", "hardware", "name"), [("J179", 7, "FW_S_J179_R4_1_11_0_9.bin"), ("J189", 3, EARLY), ("J189", 4, LATER)]
)
def test_a_folder_is_read_by_its_upgrade_file(model: str, hardware: int, name: str, tmp_path: Path) -> None:
    offer = unpacked(tmp_path).offer_for(phone(model))
    assert takes(offer.upgrade_file, model, hardware) == name
    assert tmp_path / name in offer.images
    assert b"HTTPDIR" not in offer.upgrade_file


@pytest.mark.parametrize(
    ("upgrade", "said"),
    [
        (FIELD.replace(b"SEQ J179", b"SEQ J169"), r"J100Supgrade.txt: APPNAME: names no firmware for a J179"),
        (FIELD.replace(b"FW_S_J179", b"FW_S_J139"), "names FW_S_J139_R4_1_11_0_9.bin, which is not there"),
        (FIELD.replace(b"FW_S_J179_R4", b"FW_S_J189_R4"), "FW_S_J189_R4_1_11_0_9.bin is no firmware of a J179"),
        (FIELD.replace(b"FW_S_J179", b"http://192.0.2.9/FW_S_J179"), "is no name of a file"),
        (FIELD.replace(b"FW_S_J179", b"../FW_S_J179"), "is no name of a file"),
        (FIELD.replace(b"GET 46xxsettings.txt", b""), "would not come to 46xxsettings.txt"),
    ],
)
def test_an_upgrade_file_that_does_not_fit_the_phone_is_refused(upgrade: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=said):
        unpacked(tmp_path, upgrade).offer_for(phone("J179"))


def test_a_folder_of_two_releases_for_one_model_is_refused(tmp_path: Path) -> None:
    files(tmp_path, "FW_S_J189A_R4_1_5_0_6.bin")
    images = unpacked(tmp_path, FIELD.replace(b"J189A_R4_1_11_0_9", b"J189A_R4_1_5_0_6"))
    with pytest.raises(Misuse, match="more than one release"):
        images.offer_for(phone("J189"))


def test_a_folder_without_an_upgrade_file_or_beside_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"there is no J100Supgrade\.txt in it"):
        ImageSet.read([tmp_path])
    with pytest.raises(Misuse, match="a set of images by itself"):
        ImageSet.read([tmp_path, *files(tmp_path, EARLY)])
