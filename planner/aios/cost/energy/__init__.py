"""Physics of watts and joules: what devices may draw, how busy a workload keeps them, what a cap does to both."""
