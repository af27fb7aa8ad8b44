"""Images that were installed, kept so that there is a way back, and what each phone ran before.

firmware/images/FW_S_J179_R4_1_3_0_6.bin
firmware/installed.jsonl                     a line for each install that was seen to its end
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hil.bench.state import make_private
from hil.errors import LabFault, Misuse
from hil.firmware.images import Image, ImageSet, Offer
from hil.identity import Firmware


class Cellar:
    """The images and the history of all benches of this user; `folder` is where their states lie side by side."""

    def __init__(self, folder: Path) -> None:
        self._images = folder / "firmware" / "images"
        self._history = folder / "firmware" / "installed.jsonl"

    def keep(self, offers: Mapping[str, Offer]) -> dict[str, Offer]:
        """The same offers, of files that stay here. `Misuse` where another file of one's name is kept already."""
        make_private(self._images)
        return {phone: replace(offer, images=tuple(self._kept(path) for path in offer.images)) for phone, offer in offers.items()}

    def image_set(self, model: str, release: Firmware) -> ImageSet | None:
        """What is kept of this release for a model such as `J179`, None where nothing is."""
        kept = [Image.at(path) for path in sorted(self._images.glob(f"FW_S_{model}*.bin"))]
        found = [image for image in kept if image.model == model and image.release == release]
        return ImageSet(found) if found else None

    def note(self, key: str, phone: str, before: Firmware, after: Firmware) -> None:
        """Write down that the phone of this lease key ran `before` and now runs `after`."""
        make_private(self._history.parent)
        entry = {"key": key, "phone": phone, "before": str(before), "after": str(after), "at": datetime.now(UTC).isoformat()}
        try:
            with self._history.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            problem = f"it runs {after}, and what it ran before cannot be written down"
            raise LabFault(problem, phone=phone, tried=f"write {self._history}", seen=str(error)) from error

    def before(self, key: str) -> Firmware | None:
        """What the phone of this lease key ran before its last install, None where none is known of."""
        try:
            entries = [json.loads(line) for line in self._history.read_text("utf-8").splitlines()]
            releases = [Firmware(entry["before"]) for entry in entries if entry["key"] == key]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabFault(
                "the history of installs cannot be read; take the damaged line out, or name the release by hil firmware install",
                tried=f"read {self._history}",
                seen=f"{type(error).__name__}: {error}",
            ) from error
        return releases[-1] if releases else None

    def _kept(self, path: Path) -> Path:
        place = make_private(self._images) / path.name
        if place.exists():
            if path != place and not filecmp.cmp(path, place, shallow=False):
                remedy = f"name the one that is meant, or move the one that is kept away: {place}"
                raise Misuse("another file of this name is kept already", file=path, key="IMAGE", remedy=remedy)
            return place
        draft = place.with_suffix(f".{os.getpid()}.part")  # another bench may keep the same one at this moment
        try:
            with path.open("rb") as given, draft.open("wb") as copy:
                shutil.copyfileobj(given, copy)
                copy.flush()
                os.fsync(copy.fileno())  # a phone may be told to fetch it after a crash of this PC
            draft.replace(place)
        except OSError as error:
            raise LabFault("an image cannot be kept", tried=f"copy {path} to {place}", seen=str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
        return place
