"""Services over TLS that ask for a client certificate and show which one a phone presents."""
