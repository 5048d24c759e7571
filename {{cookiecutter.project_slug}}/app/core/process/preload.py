"""Modules that the application imports when it is created, loaded by Gunicorn's master.

Workers share the memory of modules that are loaded before the fork, and a worker that replaces
another accepts requests sooner.
# {% if cookiecutter.metrics %}
Not prometheus_client: it locates its files at import, and the master chooses them when it starts.
# {% endif %}
"""

import importlib

MODULES = [
    # {% if cookiecutter.background_tasks %}
    "app.core.tasks.celery_app",
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" %}
    "psycopg",
    # {% endif %}
    # {% if cookiecutter.database == "mysql" %}
    "pymysql",
    # {% endif %}
    # {% if cookiecutter.rate_limiting or cookiecutter.caching %}
    "redis",
    # {% endif %}
]


def load() -> None:
    """Import the modules; nothing is connected or started."""
    for name in MODULES:
        importlib.import_module(name)
