"""Tests of what all domains share."""
