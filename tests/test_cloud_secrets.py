"""A service that reads its settings from AWS Secrets Manager, played by a local server over HTTP."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bakery import Bakery
from combinations import covering_set

SECRET = "4c1fe07b92a85d36e3f7c0819a5b4d26f80e7c31b95da2644f6b0e97d3c8a152"  # noqa: S105  of a test
PRINT = "from app.settings import Settings; print(Settings.load().secret_key.get_secret_value())"
CLOUD = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name=CLOUD["AWS_REGION"],
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106  the stand-in takes any
    )
    client.create_secret(Name="good", SecretString=f'{{"SECRET_KEY": "{SECRET}"}}')
    client.create_secret(Name="no-json", SecretString=SECRET)
    client.create_secret(Name="list", SecretString=f'["{SECRET}"]')
    yield url
    server.stop()


def load(project: Path, endpoint: str, secret: str) -> subprocess.CompletedProcess[str]:
    environment = CLOUD | {
        "APP_ENV": "development",
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": CLOUD["AWS_REGION"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_SECRETS_MANAGER_ID": secret,
    }
    command = [sys.executable, "-c", PRINT]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_secret_is_read_and_every_failure_is_one_message(bakery: Bakery, endpoint: str) -> None:
    project = bakery.bake(covering_set()[0])

    assert load(project, endpoint, "good").stdout.strip() == SECRET
    for url, secret in (
        (endpoint, "missing"),
        (endpoint, "no-json"),
        (endpoint, "list"),
        ("http://127.0.0.1:1", "good"),
    ):
        stopped = load(project, url, secret)
        assert stopped.returncode == 1
        assert "AWS_SECRETS_MANAGER_ID: names a secret that cannot be read" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert SECRET not in stopped.stdout + stopped.stderr
