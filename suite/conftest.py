"""The tests in `characterise` judge nothing: `hil characterise` plays them, and a night does not."""

collect_ignore = ["characterise"]
