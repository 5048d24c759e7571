import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis import Redis, RedisError

from app.core.config import InvalidSettings
from app.core.config.secret_url import SecretURL
from app.core.http import redis_server
from app.core.http.redis_server import CircuitBreaker, RedisSettings
from conftest import LogLines
from tests.tls_server import tls_server


def test_requests_that_fail_together_are_one_line(log_lines: LogLines) -> None:
    breaker = CircuitBreaker("and so on")

    for _ in range(3):
        breaker.record_failure(ConnectionError())

    (line,) = log_lines
    assert (line["message"], line["fallback"]) == ("Redis unavailable", "and so on")
    assert (line["error.type"], line["retry_seconds"]) == ("ConnectionError", 5.0)


def test_after_a_pause_redis_is_tried_again(
    log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = CircuitBreaker("and so on")
    assert breaker.allows_request()

    breaker.record_failure(ConnectionError())
    assert not breaker.allows_request()

    resumed = time.monotonic() + redis_server.PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: resumed)
    assert breaker.allows_request()
    breaker.record_failure(ConnectionError())
    assert len(log_lines) == 2


@pytest.mark.attack
def test_redis_is_trusted_only_with_a_certificate_for_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "REDIS_TIMEOUT_SECONDS", 60)
    for name, known, parameters, accepted in (
        ("127.0.0.1", False, "", False),
        ("127.0.0.1", True, "", True),
        ("redis.example", True, "", False),
        ("redis.example", True, "?ssl_check_hostname=false", True),
        ("redis.example", False, "?ssl_cert_reqs=none", True),
    ):
        with tls_server(tmp_path, name) as server:
            url = SecretURL(f"rediss://127.0.0.1:{server.port}/0{parameters}")
            pool = redis_server.pool(url, server.ca_file if known else None)
            with pytest.raises(RedisError):  # the server closes the connection in any case
                Redis(connection_pool=pool).ping()

        assert server.accepted == [accepted]


def test_a_url_that_leads_to_no_redis_is_refused_at_start() -> None:
    for url, sentence in (
        ("http://redis.example", "must be redis://user:password@host:6379/0"),
        ("redis.example:6379", "must be redis://user:password@host:6379/0"),
        ("redis://", "must be redis://user:password@host:6379/0"),
        ("redis://redis.example:port", "must be redis://user:password@host:6379/0"),
        ("redis://redis.example/shop", "must end in the number of a Redis database"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            RedisSettings.model_validate({"app_env": "testing", "redis_url": url})


def test_a_parameter_that_redis_does_not_know_is_refused_at_start() -> None:
    for parameter in ("foo=1", "socket_timeout=long"):
        with pytest.raises(InvalidSettings, match="REDIS_URL: has a parameter that redis-py"):
            redis_server.pool(SecretURL(f"redis://redis.example/0?{parameter}"))


def test_certificates_need_an_encrypted_connection(tmp_path: Path) -> None:
    with tls_server(tmp_path, "127.0.0.1") as server:
        settings = {"app_env": "testing", "redis_ca_file": server.ca_file}
    with pytest.raises(ValidationError, match="REDIS_URL must begin with amqps:// or rediss://"):
        RedisSettings.model_validate({**settings, "redis_url": "redis://redis.example/0"})

    encrypted = RedisSettings.model_validate({**settings, "redis_url": "rediss://redis.example/0"})
    assert encrypted.redis_ca_file == server.ca_file


def test_disabling_the_check_logs_a_warning() -> None:
    for parameters, warned in (("", False), ("?ssl_cert_reqs=none", True)):
        url = f"rediss://redis.example/0{parameters}"
        settings = RedisSettings.model_validate({"app_env": "testing", "redis_url": url})
        assert any("REDIS_URL disables" in each for each in settings.warnings()) is warned
