"""Whether each phone hangs where its testbed says, and is the one that its testbed says."""
