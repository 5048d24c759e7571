"""Failure drills: a generated service under load, while what it depends on fails for real."""
