"""Failure drills: a generated service under load while its real dependencies fail."""
