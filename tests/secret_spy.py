"""A plugin for the suite of a generated service: no secret of a whole run may reach a log line.

It plants secrets in settings and in the headers of every request, and has each of them logged in the
careless ways that the masking rule is for. It learns those that the tests themselves use: passwords
and tokens in bodies, Authorization, cookies. At the end every line that was logged, as the service
writes it for machines and for people, and every log file of a process that a test started, is
searched for all of them. Run as `pytest -p tests.secret_spy`, from a copy beside the service's tests.
Delete it when the services' own tests search every line that they log.
"""

import importlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PLANTED = {
    name: f"PLANTED{name}c0ffee42DecafBad"
    for name in (
        "Key",
        "Basic",
        "Cookie",
        "Password",
        "Token",
        "Url",
        "Deep",
        "Quoted",
        "User",
        "Pem",
    )
}
HEADERS = {
    "HTTP_X_API_KEY": PLANTED["Key"],
    "HTTP_PROXY_AUTHORIZATION": f"Basic {PLANTED['Basic']}",
}
SENSITIVE = re.compile("password|secret|token|authorization|cookie|signature", re.IGNORECASE)
SHORTEST = 12  # characters: shorter ones are words that may stand in a line by chance
WORDS = {"access_token", "refresh_token", "authorization_code", "token_endpoint"}

logger = logging.getLogger("careless")


class Spy(logging.Handler):
    """The logged lines, and the secrets that must not be in them."""

    def __init__(self) -> None:
        super().__init__()
        logs = importlib.import_module("app.core.observability.logs")
        self.formatters = [logs.JSONFormatter("service", "1"), logs.ConsoleFormatter()]
        self.lines: list[str] = []
        self.secrets: set[str] = set(PLANTED.values())
        self.requests = self.tests = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Store a line."""
        self.lines += [formatter.format(record) for formatter in self.formatters]

    def pytest_runtest_logstart(self) -> None:
        """Log between tests, since some count the lines that are logged meanwhile."""
        self.tests += 1
        if self.tests % 10 == 1:
            self.be_careless()

    def learn(self, value: object, name: str = "") -> None:
        """Add the secrets of parsed data, by the names of its members."""
        if isinstance(value, Mapping):
            for key, below in value.items():
                self.learn(below, str(key))
        elif isinstance(value, list | tuple):
            for below in value:
                self.learn(below, name)
        elif isinstance(value, str) and SENSITIVE.search(name):
            bare = value.removeprefix("Bearer ").removeprefix("Basic ")
            if len(bare) >= SHORTEST and bare not in WORDS and len(set(bare)) > 3:
                self.secrets.add(bare)

    def be_careless(self) -> None:
        """Log secrets, as careless code would."""
        logger.warning("logged in with password=%s", PLANTED["Password"])
        logger.warning(
            "calling", extra={"api_key": PLANTED["Key"], "sent": {"token": PLANTED["Deep"]}}
        )
        logger.warning("Authorization: Bearer %s", PLANTED["Token"])
        logger.warning("connecting to postgresql://me:%s@db/x", PLANTED["Url"])
        logger.warning('password="correct \\" horse %s"', PLANTED["Quoted"])
        logger.warning("cloning https://%s@git.example/x", PLANTED["User"])
        begin, end = (f"-----{word} EC PRIVATE KEY-----" for word in ("BEGIN", "END"))
        logger.warning("signing with %s\n%s\n%s", begin, PLANTED["Pem"], end)

    def leaks(self, lines: list[str]) -> Iterator[str]:
        """Yield the lines with a secret, and which one it is."""
        every = re.compile("|".join(map(re.escape, sorted(self.secrets, key=len, reverse=True))))
        for line in lines:
            if found := every.search(line):
                yield f"{found.group()} in: {line[:500]}"


def _json(text: str | bytes | None) -> object:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def pytest_configure(config: pytest.Config) -> None:
    """Plant secrets, collect log lines, and record the secrets that clients send and receive."""
    spy = Spy()
    config.pluginmanager.register(spy, "spy")
    logging.getLogger().addHandler(spy)
    environments = importlib.import_module("tests.environments")
    environments.TESTING["secret_key"] = PLANTED["Key"] * 2
    for settings in (environments.TESTING, environments.PRODUCTION):
        spy.learn({name: value for name, value in settings.items() if "secret" in name})
    open_as_usual = FlaskClient.open

    def open_watched(self: FlaskClient, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401
        spy.requests += 1
        spy.learn(kwargs.get("json") or _json_or_form(kwargs.get("data")))
        if args and isinstance(args[0], str):
            kwargs["environ_overrides"] = {**(kwargs.get("environ_overrides") or {}), **HEADERS}
        answer = open_as_usual(self, *args, **kwargs)
        environ = answer.request.environ
        spy.learn({name: value for name, value in environ.items() if name.startswith("HTTP_")})
        if answer.is_json and not answer.is_streamed:
            spy.learn(_json(answer.data))
        for cookie in answer.headers.getlist("Set-Cookie"):
            spy.learn({"cookie": cookie.partition("=")[2].partition(";")[0]})
        return answer

    FlaskClient.open = open_watched  # type: ignore[method-assign]  # a spy does


def _json_or_form(data: object) -> object:
    return (
        data
        if isinstance(data, Mapping)
        else _json(data)
        if isinstance(data, str | bytes)
        else None
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search the lines; the run fails if one contains a secret."""
    spy = session.config.pluginmanager.get_plugin("spy")
    if spy is None:
        raise TypeError
    base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # noqa: SLF001
    of_processes = [
        line for log in base.rglob("log") if log.is_file() for line in log.read_text().splitlines()
    ]
    lines = [*spy.lines, *of_processes]
    found = list(spy.leaks(lines))
    print(
        f"\n{len(lines)} lines logged during {spy.requests} requests, {len(of_processes)} by processes; "
        f"{len(spy.secrets)} secrets looked for, {len(found)} found"
    )
    print("\n".join(found[:20]))
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
