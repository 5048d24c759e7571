import pytest
from flask import Flask

from app.core.mail import email_queue
from app.core.tasks import tasks
from app.pages.quotes import PATH
from conftest import MakeApp
from tests.browsers import line, send

BASKET = {"currency": "EUR", **line("TEA-100", "2", "4.50")}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    tasks.of(app).message_store = None  # as in services without a database
    return app


def test_the_page_sends_a_quote_to_the_address_of_the_form(app: Flask) -> None:
    client = app.test_client()
    kept = email_queue.of(app).captured

    wrong = send(client, PATH, {**BASKET, "email": "ada"})
    without = send(client, PATH, {**BASKET, "email": " "})
    assert (wrong.status_code, without.status_code) == (422, 200)
    assert '<a href="#email">Email address: Must be' in wrong.text
    assert not kept
    response = send(client, PATH, {**BASKET, "email": " Ada@Mail.example"})

    assert response.status_code == 200
    assert "The quote is on its way" in response.text
    assert "9.00 EUR" in response.text
    (email,) = kept
    assert email["To"] == "ada@mail.example"
