"""802.1X with EAP-TLS: the RADIUS server that a switch asks, and what it is seen to answer."""
