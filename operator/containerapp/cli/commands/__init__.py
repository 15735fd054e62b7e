"""One file a command, each with the click command `command`; imported by name when it is called."""
