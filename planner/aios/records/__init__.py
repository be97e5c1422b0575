"""The floor: records, units, the metric vocabulary, diagnostics. Imports nothing of aios but itself."""
