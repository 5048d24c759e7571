"""Tests of the whole service, and helpers for all tests."""
