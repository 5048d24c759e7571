"""Tests of commands, signals and the liveness probe."""
