"""{{cookiecutter.project_name}}: the application factory."""

from flask import Flask

from app import (
    # {% if cookiecutter.auth != "none" and cookiecutter.database != "none" %}
    admin,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    auth,
    # {% endif %}
    health,
    # {% if cookiecutter.database != "none" %}
    orders,
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    pages,
    # {% endif %}
    quotes,
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
from app.core import (
    api,
    # {% if cookiecutter.web_ui and cookiecutter.auth != "none" %}
    browser,
    # {% endif %}
    # {% if cookiecutter.caching and cookiecutter.metrics %}
    cache_metrics,
    # {% endif %}
    # {% if cookiecutter.caching %}
    caching,
    # {% endif %}
    checks,
    cli,
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    code_flow,
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" %}
    collisions,
    # {% endif %}
    cors,
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    errors,
    # {% if cookiecutter.metrics and cookiecutter.tracing %}
    exemplars,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    links,
    # {% endif %}
    logs,
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail,
    # {% endif %}
    # {% if cookiecutter.metrics %}
    metrics,
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.database != "none" %}
    outbox,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics and cookiecutter.database != "none" %}
    outbox_metrics,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    passwords,
    # {% endif %}
    pipeline,
    # {% if cookiecutter.metrics and cookiecutter.database != "none" %}
    pool_metrics,
    # {% endif %}
    # {% if cookiecutter.tracing and cookiecutter.database != "none" %}
    query_traces,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics and cookiecutter.database == "none" %}
    queue_metrics,
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits,
    # {% endif %}
    # {% if (cookiecutter.auth == "jwt" or cookiecutter.background_tasks) and cookiecutter.database != "none" %}
    recipient_ledger,
    # {% endif %}
    request_body,
    # {% if cookiecutter.background_tasks and cookiecutter.database != "none" %}
    schedule,
    # {% endif %}
    security,
    # {% if cookiecutter.database != "none" %}
    slow_queries,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics %}
    task_metrics,
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.tracing %}
    task_traces,
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
    url_prefix,
)
from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Make one application; without settings, from the environment.

    Raises:
        InvalidSettings: when the environment lacks or misstates something.

    """
    if settings is None:
        return cli.from_environment(create_app, Settings)
    # {% if cookiecutter.database != "postgresql" and cookiecutter.database != "mysql" %}
    app = url_prefix.Flask(__name__, static_folder=None)
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" %}
    app = collisions.Flask(__name__, static_folder=None)
    # {% endif %}

    pipeline.init_app(app)
    logs.init_app(app, settings)
    errors.init_app(app)
    request_body.init_app(app)
    checks.init_app(app, settings.readiness_seconds)
    security.init_app(app, settings)
    # {% if cookiecutter.database != "none" %}
    database.init_app(app, settings)
    slow_queries.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.caching %}
    caching.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.tracing %}
    tracing.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.tracing and cookiecutter.database != "none" %}
    query_traces.init_app(app)
    # {% endif %}
    # {% if cookiecutter.metrics %}
    metrics.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.tracing %}
    exemplars.init_app(app)
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.database != "none" %}
    pool_metrics.init_app(app, settings)
    metrics.count(app, orders.events.placed, "orders_placed_total", "Orders that were stored")
    # {% endif %}
    # {% if cookiecutter.metrics and cookiecutter.webhooks %}
    metrics.count(
        app,
        webhooks.events.received,
        "webhooks_total",
        "Deliveries, by what became of them",
        ["outcome"],
    )
    # {% endif %}
    # {% if cookiecutter.caching and cookiecutter.metrics %}
    cache_metrics.init_app(app)
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    oidc.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    code_flow.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    tokens.init_app(app, settings)
    passwords.init_app(app, settings)
    links.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    mail.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    tasks.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.tracing %}
    task_traces.init_app(app)
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.database != "none" %}
    schedule.init_app(app)
    outbox.init_app(app)
    # {% endif %}
    # {% if (cookiecutter.auth == "jwt" or cookiecutter.background_tasks) and cookiecutter.database != "none" %}
    recipient_ledger.init_app(app)
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics and cookiecutter.database != "none" %}
    outbox_metrics.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics and cookiecutter.database == "none" %}
    queue_metrics.init_app(app)
    # {% endif %}
    # {% if cookiecutter.web_ui and cookiecutter.auth != "none" %}
    browser.init_app(app, settings)
    # {% endif %}
    health.init_app(app)
    cors.init_app(app, settings)

    api.init_app(app, settings)
    app.register_blueprint(quotes.blueprint, url_prefix="/api/v1/quotes")
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    quotes.mailing.init_app(app)
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    orders.init_app(app)
    # {% endif %}
    # {% if cookiecutter.auth != "none" and cookiecutter.database != "none" %}
    app.register_blueprint(admin.blueprint, url_prefix="/api/v1/admin")
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui and cookiecutter.database != "none" %}
    sessions.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    users.init_app(app, settings)
    app.register_blueprint(auth.blueprint, url_prefix="/api/v1/auth")
    # {% endif %}

    # {% if cookiecutter.webhooks %}
    webhooks.init_app(app, settings)
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    pages.init_app(app)
    # {% endif %}
    # {% if cookiecutter.background_tasks and cookiecutter.metrics %}
    task_metrics.init_app(app)
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    rate_limits.init_app(app, settings)
    # {% endif %}
    cli.init_app(app, settings)
    return url_prefix.mount(app, settings)
