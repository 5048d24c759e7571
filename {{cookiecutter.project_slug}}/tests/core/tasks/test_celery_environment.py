import os
import subprocess
import sys

import pytest

from app.core.tasks import celery_environment
from tests import environments
from tests.servers import PROJECT

SHOW = """
from app import create_app
from app.core.tasks.celery_app import broker
from app.settings import Settings
settings = Settings(app_env="testing", broker_url="amqp://broker.example//", **{values})
app = create_app(settings)
print(broker.of(app).celery.connection().as_uri(), *settings.warnings(), sep="\\n")
"""


def test_variables_of_celery_are_removed_with_a_warning() -> None:
    environment = {"CELERY_BROKER_URL": "redis://hush", "CELERY_LOADER": "", "PATH": "/bin"}

    assert celery_environment.clean(environment) == [
        "CELERY_BROKER_URL is ignored: the broker is set by BROKER_URL."
    ]
    assert environment == {"PATH": "/bin"}


@pytest.mark.process
def test_no_variable_of_celery_changes_the_broker() -> None:
    others = dict.fromkeys(celery_environment.NAMES, "redis://other.example")
    values = {name: value for name, value in environments.TESTING.items() if name != "app_env"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(values=values)],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **others},
        capture_output=True,
        text=True,
        check=True,
    )

    uri, *warnings = done.stdout.splitlines()[-1 - len(others) :]
    assert uri == "amqp://guest:**@broker.example:5672//"
    assert [warning.split()[0] for warning in warnings] == list(celery_environment.NAMES)
