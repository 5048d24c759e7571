"""All settings of this service, in one typed class."""

from app import (  # one line where it fits
    health,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    sessions,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    users,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    webhooks,
    # {% endif %}
)
from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    api,
    # {% if cookiecutter.caching %}
    caching,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    http,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail,
    # {% endif %}
    observability,
    # {% if cookiecutter.background_tasks %}
    tasks,
    # {% endif %}
)


class Settings(  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access.Settings,
    # {% endif %}
    api.ApiSettings,
    # {% if cookiecutter.caching %}
    caching.CacheSettings,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    database.DatabaseSettings,
    # {% endif %}
    health.HealthSettings,
    http.Settings,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail.MailSettings,
    # {% endif %}
    observability.Settings,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    sessions.SessionSettings,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    tasks.Settings,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    users.UserSettings,
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    webhooks.WebhookSettings,
    # {% endif %}
):
    """The settings of the core and of every domain, each declared next to its code."""
