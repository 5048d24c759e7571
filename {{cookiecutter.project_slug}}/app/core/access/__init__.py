"""Authentication and authorization: the principal of a request, and its scopes."""

from collections.abc import Iterable

from flask import Flask

from app.core.access import (  # one line where it fits
    # {% if cookiecutter.web_ui %}
    browser_session,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    oidc_login,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens,
    # {% endif %}
)
from app.core.access.principals import (  # one line where it fits
    SCHEME,
    InsufficientScope,
    InvalidToken,
    Principal,
    Unauthenticated,
    # {% if cookiecutter.auth == "jwt" %}
    check_on_each_request,
    # {% endif %}
    declare_scheme,
    further_schemes,
    identified,
    optional_principal,
    principal,
    require_scope,
    scope_required,
)
from app.core.access.scopes import Scopes, declare_scopes, scopes, scopes_of

__all__ = [  # one line where it fits
    "SCHEME",
    "InsufficientScope",
    "InvalidToken",
    "Principal",
    "Settings",
    "Unauthenticated",
    # {% if cookiecutter.web_ui %}
    "browser_session",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    "check_on_each_request",
    # {% endif %}
    "declare_scheme",
    "declare_scopes",
    "further_schemes",
    "identified",
    "init_app",
    "optional_principal",
    "principal",
    "require_scope",
    "scope_required",
    "scopes",
    "scopes_of",
]


class Settings(  # one line where it fits
    # {% if cookiecutter.web_ui %}
    browser_session.BrowserSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    oidc_login.ClientSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc.OidcSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens.TokenSettings,
    # {% endif %}
):
    """The settings of authentication."""


def init_app(app: Flask, settings: Settings, roles: Iterable[str]) -> None:
    """Set up the application's authentication, with the roles that principals may have."""
    scopes.set(app, Scopes(roles))
    # {% if cookiecutter.auth == "oidc" %}
    oidc.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    oidc_login.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    browser_session.init_app(app, settings)
    # {% endif %}
