"""Everything this service can be told, in one typed value."""

from app.core import (
    api,
    # {% if cookiecutter.web_ui and cookiecutter.auth != "none" %}
    browser,
    # {% endif %}
    # {% if cookiecutter.caching %}
    caching,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    code_flow,
    # {% endif %}
    cors,
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    links,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    logins,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail,
    # {% endif %}
    # {% if cookiecutter.metrics %}
    metrics,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    passwords,
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits,
    # {% endif %}
    security,
    # {% if cookiecutter.webhooks %}
    signatures,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics %}
    task_metrics,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    tasks,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing,
    # {% endif %}
)


class Settings(
    # {% if cookiecutter.web_ui and cookiecutter.auth != "none" %}
    browser.BrowserSettings,
    # {% endif %}
    # {% if cookiecutter.caching %}
    caching.CacheSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    code_flow.ClientSettings,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    database.DatabaseSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    links.LinkSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    logins.LoginSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail.MailSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    passwords.PasswordSettings,
    # {% endif %}
    # {% if cookiecutter.metrics %}
    metrics.MetricsSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc.OidcSettings,
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits.RateLimitSettings,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    signatures.WebhookSettings,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics %}
    task_metrics.TaskMetricsSettings,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    tasks.TaskSettings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens.TokenSettings,
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing.TracingSettings,
    # {% endif %}
    cors.CorsSettings,
    security.SecuritySettings,
    api.ApiSettings,
):
    """The settings of the core and of each piece; each piece keeps its own beside its code."""
