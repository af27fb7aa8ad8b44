"""Firmware images by their names, and what a phone is offered of them.

Sources: an upgrade file of release 4.1.11.0, and of other public servers (docs/sources.md). An image is called
`FW_S_J179_R4_1_11_0_9.bin`; a J189 takes `FW_S_J189` with hardware versions 1 to 3, and `FW_S_J189A` with later ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.settings.interpret import interpret
from hil.settings.writer import SETTINGS_FILE, UPGRADE_FILE, upgrade_file_by_hardware

_NAME = re.compile(r"FW_S_(?P<model>J1\d\d)(?P<later>A?)_R(?P<release>\d{1,4}(?:_\d{1,4}){1,5})\.bin")
_EARLY, _HARDWARE = range(1, 4), range(1, 10)
_APPNAME = "APPNAME"


@dataclass(frozen=True)
class Image:
    """A firmware image; `later` is for the later hardware of a model, the `A` in its name."""

    path: Path
    model: str
    later: bool
    release: Firmware

    @property
    def name(self) -> str:
        """What a phone asks for."""
        return self.path.name

    @classmethod
    def at(cls, path: Path) -> Image:
        """The image that lies at `path`; `Misuse` where its name is none of an image, or there is no such file."""
        found = _NAME.fullmatch(path.name)
        if found is None:
            problem = "is not called as images of J100 SIP firmware are"
            raise Misuse(
                problem, file=path, key="IMAGE", remedy="for example FW_S_J179_R4_1_11_0_9.bin, or the folder it came in"
            )
        if not path.is_file():
            raise Misuse("there is no such file", file=path, key="IMAGE", remedy="name an image, or the folder it came in")
        release = Firmware(found["release"].replace("_", "."))
        return cls(path, found["model"], bool(found["later"]), release)


@dataclass(frozen=True)
class Offer:
    """What one phone is told to take: the release, its upgrade file, and the files that this names."""

    release: Firmware
    upgrade_file: bytes
    images: tuple[Path, ...]


class ImageSet:
    """Images that were named one by one, or a folder of them with the upgrade file that came with them."""

    def __init__(self, images: Sequence[Image], upgrade: tuple[Path, bytes] | None = None) -> None:
        self._images = tuple(images)
        self._upgrade = upgrade

    @classmethod
    def read(cls, paths: Sequence[Path]) -> ImageSet:
        """`Misuse` where a path is neither an image nor a folder with an upgrade file, or a folder is not all there is."""
        folders = [path for path in paths if path.is_dir()]
        if not folders:
            return cls([Image.at(path) for path in paths])
        if len(paths) > 1:
            remedy = "name one folder and nothing else, or images alone"
            raise Misuse("a folder is a set of images by itself", file=folders[0], key="IMAGE", remedy=remedy)
        upgrade = folders[0] / UPGRADE_FILE
        if not upgrade.is_file():
            raise Misuse(f"there is no {UPGRADE_FILE} in it", file=folders[0], key="IMAGE", remedy="name the images themselves")
        return cls((), (upgrade, upgrade.read_bytes()))

    def offer_for(self, identity: Identity) -> Offer:
        """What a phone is offered of the set; `Misuse` where it has nothing for its model, or does not have all that it names."""
        told = self._told_by_file(identity, *self._upgrade) if self._upgrade else self._told_by_names(identity)
        images = {name: Image.at(path) for name, path in self._named(told).items()}
        stray = next((image for image in images.values() if image.model != identity.model4), None)
        if stray is not None:
            raise self._wrong(f"{stray.name} is no firmware of a {identity.model4}", "get the set of images once more")
        releases = {image.release for image in images.values()}
        if len(releases) > 1:
            named = ", ".join(sorted(images))
            raise self._wrong(f"a {identity.model4} would be offered more than one release: {named}", "leave one of them out")
        files = tuple(image.path for image in images.values())
        return Offer(releases.pop(), upgrade_file_by_hardware(identity.model4, told), files)

    def _told_by_names(self, identity: Identity) -> dict[int, Mapping[str, str]]:
        mine = [image for image in self._images if image.model == identity.model4]
        if not mine:
            given = ", ".join(image.name for image in self._images)
            raise self._wrong(
                f"no image for a {identity.model4} among {given}", f"such as FW_S_{identity.model4}_R4_1_11_0_9.bin"
            )
        by_hardware = identity.model4 == "J189"
        told: dict[int, Mapping[str, str]] = {}
        for version in _HARDWARE:
            fitting = [image for image in mine if not by_hardware or image.later == (version not in _EARLY)]
            if len(fitting) > 1:
                named = " and ".join(image.name for image in fitting)
                raise self._wrong(f"{named} are both for a {identity.model4}", "name one of them")
            told[version] = {_APPNAME: fitting[0].name} if fitting else {}
        return told

    def _told_by_file(self, identity: Identity, file: Path, content: bytes) -> dict[int, Mapping[str, str]]:
        """What the upgrade file tells this phone, by version of its hardware; button modules keep what they have."""
        told: dict[int, Mapping[str, str]] = {}
        for version in _HARDWARE:
            read = interpret(UPGRADE_FILE, {UPGRADE_FILE: content}.get, identity, hardware=version)
            if SETTINGS_FILE not in read.missing:
                problem = f"a {identity.model4} would not come to {SETTINGS_FILE}"
                raise Misuse(problem, file=file, key="GET", remedy="use the file as it came with the images")
            told[version] = {_APPNAME: read.settings[_APPNAME].value} if _APPNAME in read.settings else {}
        if not any(values.get(_APPNAME) for values in told.values()):
            remedy = f"get the set that has FW_S_{identity.model4}_R….bin"
            raise Misuse(f"names no firmware for a {identity.model4}", file=file, key=_APPNAME, remedy=remedy)
        return told

    def _named(self, told: Mapping[int, Mapping[str, str]]) -> dict[str, Path]:
        names = dict.fromkeys(values[_APPNAME] for values in told.values() if values.get(_APPNAME))
        return {name: self._place(name) for name in names}

    def _place(self, name: str) -> Path:
        """Where the file of that name lies; a name alone, since nothing but files of the set is served."""
        if self._upgrade is None:
            return next(image.path for image in self._images if image.name == name)
        file, _ = self._upgrade
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise Misuse(f"{name!r} is no name of a file", file=file, key=_APPNAME, remedy="name the images themselves")
        if not (file.parent / name).is_file():
            raise Misuse(f"names {name}, which is not there", file=file, key=_APPNAME, remedy="unpack the whole set")
        return file.parent / name

    def _wrong(self, problem: str, remedy: str) -> Misuse:
        return Misuse(problem, file=self._upgrade[0] if self._upgrade else None, key="IMAGE", remedy=remedy)
