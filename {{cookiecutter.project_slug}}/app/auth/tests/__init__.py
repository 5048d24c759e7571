"""Tests of login, refresh and logout."""
