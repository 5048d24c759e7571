"""The entry point of workers that also run the toy task: `celery --app tests.toy_worker worker`."""

from unittest.mock import patch

from tests import toy_task

# Everything else is the service's own entry point, so the tests cover it.
with patch("app.create_app", toy_task.create_app_with_task):
    from worker import app

__all__ = ["app"]
