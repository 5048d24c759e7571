"""What an application imports when it is made, loaded by Gunicorn's master for all workers.

Loaded before the fork, modules are shared memory, and a worker that replaces another accepts requests
sooner.
# {% if cookiecutter.metrics %}
Not prometheus_client: at import it looks where its files are, which the master decides when it starts.
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
    """Import them; nothing is connected or started."""
    for name in MODULES:
        importlib.import_module(name)
