"""The command line: one parser a command, shared options written once."""
