"""How fleets and device types are written: the pydantic models of their files, from which the schemas are made."""
