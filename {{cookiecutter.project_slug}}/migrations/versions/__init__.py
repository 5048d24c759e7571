"""The steps, oldest first; each one names the step before it."""
