"""{{cookiecutter.project_name}}: the application factory."""

from flask import Flask

from app import (  # one line where it fits
    # {% if cookiecutter.auth != "none" and cookiecutter.database != "none" %}
    admin,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    auth,
    # {% endif %}
    domains,
    health,
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    orders,
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    pages,
    # {% endif %}
    # {% if cookiecutter.example %}
    quotes,
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    roles,
    # {% endif %}
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
    process,
    # {% if cookiecutter.background_tasks %}
    tasks,
    # {% endif %}
)
from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Create the application. Without `settings`, read them from the environment.

    Raises:
        InvalidSettings: when a setting in the environment is missing or invalid.

    """
    if settings is None:
        return process.from_environment(create_app, Settings)
    # {% if cookiecutter.database == "none" or cookiecutter.database == "sqlite" %}
    app = http.Application(__name__, static_folder=None)
    # {% else %}
    app = database.Application(__name__, static_folder=None)
    # {% endif %}

    http.init_app(app, settings)
    # {% if cookiecutter.database != "none" %}
    database.init_app(app, settings)
    # {% endif %}
    observability.init_app(app, settings)
    # {% if cookiecutter.auth != "none" %}
    access.init_app(app, settings, roles.Role)
    # {% endif %}
    api.init_app(app, settings)
    # {% if cookiecutter.caching %}
    caching.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    tasks.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail.init_app(app, settings)
    # {% endif %}

    health.init_app(app, settings)
    # {% if cookiecutter.webhooks %}
    webhooks.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.example %}
    quotes.init_app(app)
    # {% endif %}
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    orders.init_app(app)
    # {% endif %}
    # {% if cookiecutter.auth != "none" and cookiecutter.database != "none" %}
    admin.init_app(app)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    sessions.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    users.init_app(app, settings)
    auth.init_app(app)
    # {% endif %}
    domains.init_app(app)
    # {% if cookiecutter.web_ui %}
    pages.init_app(app)
    # {% endif %}
    process.init_app(app, settings)
    return http.mount(app, settings)
