"""What crosses the wire: recorded, proven to be recorded, and read back as a transcript."""
