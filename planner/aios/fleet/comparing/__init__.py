"""What changed between two fleets, in words."""
