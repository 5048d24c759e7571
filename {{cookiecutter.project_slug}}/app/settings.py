"""Everything this service can be told, in one typed value."""

from app.core import (
    api,
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    signatures,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing,
    # {% endif %}
)


class Settings(
    # {% if cookiecutter.database != "none" %}
    database.DatabaseSettings,
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits.RateLimitSettings,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    signatures.WebhookSettings,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing.TracingSettings,
    # {% endif %}
    api.ApiSettings,
):
    """The settings of the core and of each piece; each piece keeps its own beside its code."""
