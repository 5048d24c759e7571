import pytest
from flask import Flask

from app.core.access import auth_log
from app.core.errors import Conflict
from conftest import LogLines, MakeApp


@pytest.fixture
def tried(make_app: MakeApp) -> Flask:
    """Return an application in which the path determines the outcome of a login attempt."""
    app = make_app()

    @app.post("/try/<end>")
    def attempt(end: str) -> str:
        with auth_log.log_outcome("a try"):
            auth_log.bind("7")
            if end != "well":
                raise Conflict if end == "refused" else RuntimeError
        return ""

    return app


def test_each_try_is_a_line_with_its_outcome_and_whose_it_was(
    tried: Flask, log_lines: LogLines
) -> None:
    client = tried.test_client()
    client.post("/try/well")
    response = client.post("/try/refused")

    well, _, refused, access = log_lines
    assert (well["level"], well["message"]) == ("INFO", "a try succeeded")
    assert (refused["level"], refused["message"]) == ("WARNING", "a try failed")
    assert (well["outcome"], refused["outcome"]) == ("success", "conflict")
    assert {line["user.id"] for line in log_lines} == {"7"}
    assert refused["request_id"] == access["request_id"] == response.headers["X-Request-ID"]
    assert "account" not in response.text


def test_a_bug_is_not_an_outcome_of_a_login_attempt(tried: Flask, log_lines: LogLines) -> None:
    tried.test_client().post("/try/bug")

    assert [line["message"] for line in log_lines if "outcome" in line] == []


def test_outside_a_request_no_log_line_has_a_user_id(log_lines: LogLines) -> None:
    with auth_log.log_outcome("a try"):
        auth_log.bind("7")

    (line,) = log_lines
    assert line["outcome"] == "success"
    assert "user.id" not in line
