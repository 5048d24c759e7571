"""Tests of what guards requests."""
