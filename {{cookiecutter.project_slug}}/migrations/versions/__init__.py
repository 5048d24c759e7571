"""The migrations, oldest first; each one names the migration before it."""
