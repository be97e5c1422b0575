"""The graph of a fleet's connections, and the sets of devices that stand close together in it."""
