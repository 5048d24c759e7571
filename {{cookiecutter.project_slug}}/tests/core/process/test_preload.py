import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.process import preload
from tests import environments
from tests.waiting import HANG_TIMEOUT_SECONDS

PROJECT = Path(__file__).parents[3]
KEPT = ("PATH", "PYTHONDONTWRITEBYTECODE")
MAKE = """
import runpy, sys
runpy.run_path("gunicorn.conf.py")
before = {name.partition(".")[0] for name in sys.modules}
from app import create_app
create_app()
print("packages:", *{name.partition(".")[0] for name in sys.modules} - before)
"""


@pytest.mark.process
def test_an_application_is_made_of_what_the_master_has_loaded() -> None:
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    environment = {name.upper(): value for name, value in environments.PRODUCTION.items()}

    made = subprocess.run(
        [sys.executable, "-c", MAKE],
        cwd=PROJECT,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_TIMEOUT_SECONDS,
    )

    packages = made.stdout.rpartition("packages:")[2].split()
    assert {"celery", "kombu", "psycopg", "pymysql", "redis"}.isdisjoint(packages)


def test_loading_twice_changes_nothing() -> None:
    preload.load()
    loaded = set(sys.modules)
    preload.load()

    assert loaded >= set(preload.MODULES)
    assert set(sys.modules) == loaded
