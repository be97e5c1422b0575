"""The corridor: calls the rooms in order, carries records between them, holds no rules."""
