"""SCEP (RFC 8894): messages, HTTP transport, client and CA."""
