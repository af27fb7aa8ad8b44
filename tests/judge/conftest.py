"""Evidence made by hand, for everything that judges."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for made_evidence: test modules cannot import each other otherwise

from made_evidence import play

from hil.campaign.plan import plan
from hil.judge.sitting import Sitting
from hil.scenario import Scenario

Make = Callable[..., Sitting]


@pytest.fixture
def sitting(tmp_path: Path) -> Make:
    """Plays scenarios, in the sitting that the planner makes of them, on a phone and a reference that keep to the documents."""

    def make(*scenarios: Scenario, **how: Any) -> Sitting:
        (planned,) = plan(scenarios, None).sittings
        return play(tmp_path, planned, **how)

    return make
