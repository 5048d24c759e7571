"""Tests of the core, laid out as it is."""
