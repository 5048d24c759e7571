"""The entry point of Celery workers: `celery --app worker worker --beat`, or `make worker`."""

import sys

from app import create_app
from app.core.observability import logs
from app.core.tasks import (  # one line where it fits
    celery_app,
    # {% if cookiecutter.metrics %}
    task_metrics,
    # {% endif %}
)
from app.settings import Settings

settings = Settings.load()
# {% if cookiecutter.metrics %}
task_metrics.enable_multiprocess_mode(settings)
# {% endif %}
flask_app = create_app(settings)
logs.log_warnings_and_exceptions()
if settings.logs_as_json:
    # Celery prints its shutdown notice there; `app.core.tasks.celery_app` logs the shutdown.
    vars(sys)["__stdout__"] = None
app = celery_app.worker(flask_app)
# {% if cookiecutter.metrics %}
task_metrics.serve(flask_app, settings)
# {% endif %}
