"""What a bench serves to its phones: settings files, SCEP, time, addresses, a place for syslog."""
