"""What administrators see and change; each change leaves an entry in the audit log."""

from app.admin.routes import blueprint

__all__ = ["blueprint"]
