"""The client that behaves as the documents say; phones are compared with it."""
