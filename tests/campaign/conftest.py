"""What the tests of the campaign share: the suite as it stands, read without running it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests share, which cannot import each other otherwise
sys.path.insert(0, str(Path(__file__).parents[1] / "services"))  # for proxied
