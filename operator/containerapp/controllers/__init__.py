"""What each custom kind becomes. Pure: no I/O, no clock."""
