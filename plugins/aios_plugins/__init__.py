"""First-party plugins: they import only aios.spi and aios.records of the core."""
