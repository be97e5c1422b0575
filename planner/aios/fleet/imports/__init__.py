"""What importers read, to Fleet: devices matched to the catalogue, equal machines in classes."""
