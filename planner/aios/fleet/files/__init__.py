"""Fleet documents to Fleet: what they include, name and connect, and everything that is wrong with them."""
