"""Lets people log in, stay so, and come back when they have forgotten how."""

from app.auth.routes import blueprint

__all__ = ["blueprint"]
