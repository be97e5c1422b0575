"""Fleet to the text of a fleet file."""
