"""Jobs that wait because the clock is in doubt: let them go on."""
