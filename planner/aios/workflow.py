"""The corridor: calls the rooms in order, carries records, holds no rules."""
