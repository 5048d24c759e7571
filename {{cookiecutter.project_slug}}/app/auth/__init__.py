"""Login, refresh and logout, and the confirmation of emailed links."""

from flask import Flask

from app.auth import routes


def init_app(app: Flask) -> None:
    """Serve `/api/v1/auth`."""
    app.register_blueprint(routes.blueprint, url_prefix="/api/v1/auth")
