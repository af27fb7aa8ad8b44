"""Where the fuzzing's own modules are found."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# For targets, traps and by_hand: test modules cannot import each other otherwise.
sys.path[:0] = [str(HERE), str(HERE.parent / "capture")]
