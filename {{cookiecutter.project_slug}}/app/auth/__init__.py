"""A stand-in, until the accounts are here."""
