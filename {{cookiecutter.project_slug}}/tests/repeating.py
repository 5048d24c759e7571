"""Helpers for tests of retried requests: a scripted view, and a note to store."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.database import reading_engine, writing
from tests.toy_tables import Note


class View:
    """A route that calls the next of the given functions each time it runs."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.runs = 0
        self.deeds: list[Callable[[], object]] = []
        app.add_url_rule("/scripted", "scripted", self._run, methods=["POST"])

    def _run(self) -> str:
        self.runs += 1
        self.deeds.pop(0)()
        return "done"

    def post(self, *deeds: Callable[[], object]) -> TestResponse:
        """Request the view, which calls the next of these functions on each run."""
        self.runs, self.deeds = 0, list(deeds)
        return self.app.test_client().post("/scripted")


def commit() -> None:
    """Store a note."""
    with writing() as session:
        session.add(Note())


def on_a_server(app: Flask, *kinds: str) -> None:
    """Skip the test unless the application's database has one of these dialects."""
    if reading_engine.of(app).dialect.name not in kinds:
        pytest.skip(f"set TEST_DATABASE_URL to a server: {' or '.join(kinds)}")
