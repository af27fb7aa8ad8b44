"""What is fuzzed: each module has `run`, which takes any octets and raises where a reader breaks its word, and `seeds`."""
