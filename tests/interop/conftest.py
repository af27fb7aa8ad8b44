"""What the tests with other houses' programs share: their modules."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests share, which cannot import each other otherwise
