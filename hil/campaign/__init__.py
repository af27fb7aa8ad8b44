"""All sittings of all phones that the selected tests need: planned, then played."""
