"""One file a format of `containerapp import`, each with the click command `command`; imported when it is called."""
