"""Background tasks: work that a request hands to a worker."""

from flask import Flask

from app.core.tasks import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    outbox,
    # {% endif %}
    # {% if cookiecutter.database != "none" and cookiecutter.metrics %}
    outbox_metrics,
    # {% endif %}
    # {% if cookiecutter.database == "none" and cookiecutter.metrics %}
    queue_metrics,
    # {% endif %}
    runner,
    # {% if cookiecutter.database != "none" %}
    schedule,
    # {% endif %}
    settings,
    # {% if cookiecutter.tracing %}
    spans,
    # {% endif %}
    # {% if cookiecutter.metrics %}
    task_metrics,
    # {% endif %}
)
from app.core.tasks.runner import (
    BrokerUnavailable,
    Message,
    PermanentFailure,
    RetryLater,
    Task,
    tasks,
)

__all__ = [  # one line where it fits
    "BrokerUnavailable",
    "Message",
    "PermanentFailure",
    "RetryLater",
    "Settings",
    "Task",
    "init_app",
    # {% if cookiecutter.database != "none" %}
    "schedule",
    # {% endif %}
    "tasks",
]


class Settings(  # one line where it fits
    # {% if cookiecutter.metrics %}
    task_metrics.TaskMetricsSettings,
    # {% endif %}
    settings.TaskSettings,
):
    """The settings of background tasks."""


def init_app(app: Flask, settings: Settings) -> None:
    """Set up the application's tasks and, if BROKER_URL is set, its Celery application."""
    own_tasks = runner.init_app(app, settings)
    if settings.broker_url:
        # Celery is slow to import, so it is imported only when a broker is configured.
        from app.core.tasks import celery_app  # noqa: PLC0415

        celery_app.init_app(app, own_tasks)
    # {% if cookiecutter.tracing %}
    spans.init_app(app)
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    schedule.init_app(app)
    outbox.init_app(app)
    # {% endif %}
    # {% if cookiecutter.database != "none" and cookiecutter.metrics %}
    outbox_metrics.init_app(app)
    # {% endif %}
    # {% if cookiecutter.database == "none" and cookiecutter.metrics %}
    queue_metrics.init_app(app)
    # {% endif %}
    # {% if cookiecutter.metrics %}
    task_metrics.init_app(app)
    # {% endif %}
