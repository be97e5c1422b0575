"""The seam to plugins: protocols, the records that cross it, the registry, and the conformance suite."""
