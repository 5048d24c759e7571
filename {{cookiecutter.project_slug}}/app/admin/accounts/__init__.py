"""Administration of accounts."""

from app.admin.accounts import routes

__all__ = ["routes"]
