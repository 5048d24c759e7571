"""Login, refresh and logout, and the confirmation of emailed links."""

from flask import Flask

from app.auth import routes
from app.core import api


def init_app(app: Flask) -> None:
    """Serve `/api/v1/auth`."""
    app.register_blueprint(routes.blueprint, url_prefix=f"{api.PREFIX}/auth")
