"""What the tests of benches share: the simulators of switches."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests share, which cannot import each other otherwise
