"""What the evidence says of a phone, held against the documents, the standard and the reference."""
