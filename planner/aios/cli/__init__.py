"""Argv in, words out: the only place that prints, colours and chooses exit codes."""
