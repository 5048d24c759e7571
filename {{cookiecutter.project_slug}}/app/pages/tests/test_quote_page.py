import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.pages.quotes import PATH
from tests.browsers import line, send

INJECTED = "\"'><script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_a_basket_is_priced(client: FlaskClient) -> None:
    lines = line("TEA-100", "2", "4,50") | line("CUP-1", "100", "12", 1)

    response = send(client, PATH, {"currency": "eur", **lines})

    assert response.status_code == 200
    for text in ("TEA-100", "9.00 EUR", "1,200.00 EUR", "1,209.00 EUR"):
        assert text in response.text


def test_another_line_is_added_without_a_script_and_nothing_typed_is_lost(
    client: FlaskClient,
) -> None:
    response = send(client, PATH, {"currency": "USD", **line("TEA", "two", ""), "add": "line"})

    assert response.status_code == 200
    assert "Line 2" in response.text
    assert all(f'value="{typed}"' in response.text for typed in ("USD", "TEA", "two"))
    assert "Error" not in response.text


def test_lines_that_were_left_empty_do_not_count(client: FlaskClient) -> None:
    lines = line("", " ", "") | line("TEA", "2", "1", 1) | line("", "", "", 7)

    response = send(client, PATH, {"currency": "EUR", **lines})

    assert response.status_code == 200
    assert "2.00 EUR" in response.text


def test_every_mistake_is_named_above_the_form_and_beside_its_field(client: FlaskClient) -> None:
    lines = line("no spaces", "0", "1.234") | line("", "1.5", "", 1) | line("A", "1", "1000001", 2)

    response = send(client, PATH, {"currency": "euro", **lines})

    assert response.status_code == 422
    assert "<title>Error: Price a basket" in response.text
    for field_id, label, sentence in (
        ("currency", "Currency", "Must be a currency code of ISO 4217."),
        ("lines-0-sku", "Line 1, Article number", "Must be 1 to 64 letters"),
        ("lines-0-quantity", "Line 1, Quantity", "Must be greater than or equal to 1"),
        ("lines-0-price", "Line 1, Price of one", "Must be an amount such as 4.50."),
        ("lines-1-sku", "Line 2, Article number", "Fill this in."),
        ("lines-1-quantity", "Line 2, Quantity", "Not a valid integer."),
        ("lines-1-price", "Line 2, Price of one", "Fill this in."),
        ("lines-2-price", "Line 3, Price of one", "Must be at most 1,000,000.00."),
    ):
        assert f'<a href="#{field_id}">{label}: {sentence}' in response.text
        assert f'id="{field_id}-error">{sentence}' in response.text
        assert f'aria-describedby="{field_id}' in response.text
    assert 'role="alert"' in response.text


def test_an_empty_form_names_its_required_fields(client: FlaskClient) -> None:
    response = send(client, PATH, {})

    assert response.status_code == 422
    assert response.text.count(": Fill this in.") == 3


def test_there_are_no_more_lines_than_the_api_takes(client: FlaskClient) -> None:
    lines = {
        name: each for number in range(101) for name, each in line("A", "1", "1", number).items()
    }

    response = send(client, PATH, {"currency": "EUR", **lines})

    assert response.status_code == 422
    assert "There may be at most 100 lines." in response.text
    full = send(client, PATH, {"currency": "EUR", **lines, "add": "line"})
    assert "Line 102" not in full.text


@pytest.mark.attack
def test_submitted_values_are_shown_as_text(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for name in ("currency", "lines-0-sku", "lines-0-quantity", "lines-0-price"):
        for more in ({}, {"add": "line"}):
            with subtests.test(name, **more):
                response = send(client, PATH, {name: INJECTED, **more})

                assert "<script>alert" not in response.text
                assert ESCAPED in response.text


@pytest.mark.attack
def test_fields_that_the_form_does_not_have_are_refused(
    app: Flask, subtests: pytest.Subtests
) -> None:
    for name in (
        "lines-²-sku",
        f"lines-{'9' * 5_000}-sku",
        "lines--1-sku",
        "lines-0-total_cents",
        "lines-0-sku-0",
        "lines",
        "owner_id",
        "meta",
        "form_errors",
        "",
    ):
        with subtests.test(name[:20]):
            response = send(app.test_client(), PATH, {name: "1"})

            assert response.status_code == 400
