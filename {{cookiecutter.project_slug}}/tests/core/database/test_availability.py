import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError

from app.core.database import availability
from conftest import LogLines, MakeApp, body

GONE = OperationalError("SELECT 1", {}, ConnectionError("gone away"))


@pytest.fixture(scope="module")
def failing(make_app: MakeApp) -> FlaskClient:
    """Return a client of an application whose views raise database errors."""
    app = make_app()

    @app.get("/stale")
    def stale() -> str:
        raise StaleDataError

    @app.get("/away")
    def away() -> str:
        raise GONE

    return app.test_client()


def test_a_row_that_was_changed_meanwhile_is_a_conflict(failing: FlaskClient) -> None:
    response = failing.get("/stale")

    assert response.status_code == 409
    assert body(response)["code"] == "conflict"


def test_a_database_that_is_away_is_a_503_and_a_log_line(
    failing: FlaskClient, log_lines: LogLines
) -> None:
    response = failing.get("/away")

    assert response.status_code == 503
    assert body(response)["code"] == "database_unavailable"
    assert response.headers["Retry-After"] == availability.RETRY_AFTER_SECONDS
    (line,) = [line for line in log_lines if line["message"] == "database unavailable"]
    assert line["exception.message"] == "gone away"
