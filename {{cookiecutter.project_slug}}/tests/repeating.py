"""What the tests of repeated requests share: a view that acts as it is told, and a note to store."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.database import reading_engine, writing
from tests.toy_tables import Note


class View:
    """A route that does what it is told, one thing each time it runs."""

    def __init__(self, app: Flask) -> None:
        """Add the route."""
        self.app = app
        self.runs = 0
        self.deeds: list[Callable[[], object]] = []
        app.add_url_rule("/collide", "collide", self._run, methods=["POST"])

    def _run(self) -> str:
        self.runs += 1
        self.deeds.pop(0)()
        return "done"

    def post(self, *deeds: Callable[[], object]) -> TestResponse:
        """Request the view, which does one of these each time that it runs."""
        self.runs, self.deeds = 0, list(deeds)
        return self.app.test_client().post("/collide")


def commit() -> None:
    """Store a note."""
    with writing() as session:
        session.add(Note())


def on_a_server(app: Flask, *kinds: str) -> None:
    """Skip the test, unless the application's database is of one of these kinds."""
    if reading_engine(app).dialect.name not in kinds:
        pytest.skip(f"set TEST_DATABASE_URL to a server: {' or '.join(kinds)}")
