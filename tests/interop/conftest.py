"""What the tests with other houses' programs share: their modules, and the table at the end of the run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests share, which cannot import each other otherwise

from interop_cells import TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the matrix that a test gave as a property of its report, from whichever process it came."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == TABLE:
                terminalreporter.section(TABLE)
                terminalreporter.write_line(str(value))
