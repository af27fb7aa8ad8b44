"""What is claimed of speed and memory, each claim measured beside a peer in one run."""
