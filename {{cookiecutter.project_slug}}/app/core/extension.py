"""Typed entries of `app.extensions`: the objects that features store in an application."""

from typing import Generic, TypeVar, cast

from flask import current_app
from flask.sansio.app import App

T = TypeVar("T")


class Extension(Generic[T]):
    """One entry of `app.extensions`: each application has its own value.

    Its name is that of its object, as in `url_prefix = Extension[str]("url_prefix")`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def set(self, app: App, value: T) -> T:
        """Store the value of an application, and return it."""
        app.extensions[self.name] = value
        return value

    def of(self, app: App) -> T:
        """Return the value of an application.

        Raises:
            RuntimeError: when the feature is not set up in this application.

        """
        try:
            return cast("T", app.extensions[self.name])
        except KeyError:
            message = f"this application has no {self.name!r}: call the init_app that sets it first"
            raise RuntimeError(message) from None

    # {% if cookiecutter.tracing or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    def get(self, app: App) -> T | None:
        """Return the value of an application; None if it has none."""
        return app.extensions.get(self.name)

    # {% endif %}
    @property
    def current(self) -> T:
        """The value of the current application."""
        return self.of(current_app)
