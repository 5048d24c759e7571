"""Emails about accounts survive a kill of any process; the processes are real."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.core.api import PREFIX
from app.users.tests import PASSWORD, new_address
from conftest import MakeApp
from tests.waiting import HANG_TIMEOUT_SECONDS
from tests.workers import KEPT, PROJECT, Service, serving

pytestmark = pytest.mark.process

REGISTER = """
import os, signal, sys
from app import create_app
from app.core.api import PREFIX

client = create_app().test_client()
response = client.post(f"{PREFIX}/users", json={"email": sys.argv[1], "password": sys.argv[2]})
assert response.status_code == 202, response.text
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def service(make_app: MakeApp, request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(make_app, request) as started:
        yield started


@pytest.mark.parametrize("broker", ["there", "away"])
def test_an_email_survives_the_process_that_queued_it(service: Service, broker: str) -> None:
    box = service.mail.box
    box.go.clear()  # it cannot be sent before the kill
    environment = dict(service.environment)
    if broker == "away":
        environment["BROKER_URL"] = "amqp://127.0.0.1:1"
    process = subprocess.run(
        [sys.executable, "-c", REGISTER, new_address(), PASSWORD],
        cwd=PROJECT,
        env={key: os.environ[key] for key in KEPT if key in os.environ} | environment,
        check=False,
        capture_output=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert box.taken == []
    box.go.set()

    with service.start("--beat"):
        assert service.emails_after() == 1


def test_an_email_survives_the_worker_that_had_it_in_hand(service: Service) -> None:
    box = service.mail.box
    box.go.clear()
    payload = {"email": new_address(), "password": PASSWORD}
    with service.start() as first:
        assert service.client.post(f"{PREFIX}/users", json=payload).status_code == 202
        assert box.reached.wait(HANG_TIMEOUT_SECONDS)
        first.kill()
    box.go.set()

    with service.start("--beat"):
        assert service.emails_after() == 1
