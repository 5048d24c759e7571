"""Tests of accounts, and how to make one."""
