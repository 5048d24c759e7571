"""Tests of the core, in the same folders."""
