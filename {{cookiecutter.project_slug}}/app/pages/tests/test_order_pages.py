import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    database,
    # {% if cookiecutter.background_tasks %}
    mail,
    # {% endif %}
)
from app.orders import service
from app.orders.models import Order
from app.pages import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    login_required,
    # {% endif %}
    orders,
)
from tests.browsers import (  # one line where it fits
    ACCEPT,
    SENT,
    SOME_ID,
    line,
    # {% if cookiecutter.auth != "none" %}
    login,
    # {% endif %}
    send,
    token,
    user_browser,
)
from tests.database import CountQueries

INJECTED = "\"'><script>alert(1)</script>"
FORM = {"currency": "EUR", **line("TEA-100", "2", "4.50")}


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Return the browser of a user who may place orders."""
    return user_browser(app)


def place(app: Flask, sku: str = "TEA-100", currency: str = "EUR") -> UUID:
    with app.app_context():
        order = service.place(
            {
                "currency": currency,
                "lines": [{"sku": sku, "quantity": 2, "unit_price_cents": 450}],
            },
            # {% if cookiecutter.auth != "none" %}
            owner_id=SOME_ID,
            # {% endif %}
        )
        return order.id


def test_an_order_is_placed_and_shown(browser: FlaskClient) -> None:
    placed = send(browser, "/orders/new", FORM)

    assert placed.status_code == 303
    order_page = browser.get(placed.location)
    assert "The order is placed." in order_page.text
    assert "9.00 EUR" in order_page.text
    assert "Cancel the order" in order_page.text
    assert "The order is placed." not in browser.get(placed.location).text
    assert placed.location in browser.get("/").text


def test_pressing_the_button_twice_orders_once(browser: FlaskClient) -> None:
    page = browser.get("/orders/new").text
    (key,) = re.findall('name="key"[^>]* value="([^"]+)"', page)
    form = {**FORM, "key": key, "csrf_token": token(browser, "/orders/new")}

    first, second = (browser.post("/orders/new", data=form, headers=SENT) for _ in range(2))
    changed = browser.post("/orders/new", data={**form, "currency": "USD"}, headers=SENT)

    assert first.location == second.location
    assert changed.status_code == 422
    assert "This order was placed before." in changed.text
    assert key not in changed.text


# {% if cookiecutter.background_tasks %}
def test_a_receipt_goes_to_the_address_in_the_form(app: Flask, browser: FlaskClient) -> None:
    kept = mail.email_queue.of(app).captured
    kept.clear()

    wrong = send(browser, "/orders/new", {**FORM, "email": "ada"})
    assert wrong.status_code == 422
    assert '<a href="#email">Email address: Must be' in wrong.text
    assert 'value="ada"' in wrong.text
    assert send(browser, "/orders/new", {**FORM, "email": " "}).status_code == 303
    assert not kept
    assert send(browser, "/orders/new", {**FORM, "email": " Ada@Mail.example"}).status_code == 303

    (email,) = kept
    assert email["To"] == "ada@mail.example"
    assert "9.00 EUR" in email.get_content()


# {% endif %}
# {% if cookiecutter.background_tasks and cookiecutter.auth == "jwt" %}
def test_the_form_of_an_order_suggests_the_address_of_the_account(browser: FlaskClient) -> None:
    suggested = 'id="email" name="email" type="email" value="ann@shop.example"'
    assert suggested in browser.get("/orders/new").text

    kept = send(browser, "/orders/new", {**FORM, "email": "", "add": "line"}).text
    assert suggested not in kept


# {% endif %}
def test_mistakes_and_further_lines_place_nothing(browser: FlaskClient) -> None:
    assert send(browser, "/orders/new", {**FORM, "currency": "x"}).status_code == 422
    assert send(browser, "/orders/new", {**FORM, "add": "line"}).status_code == 200
    assert "There are no orders yet." in browser.get("/").text


def test_the_list_goes_on_from_page_to_page(app: Flask, browser: FlaskClient) -> None:
    placed = {place(app) for _ in range(orders.ORDERS + 1)}

    first = browser.get("/").text
    (following,) = re.findall('rel="next" href="([^"]+)"', first)
    second = browser.get(following).text

    numbers = re.findall('href="/orders/([0-9a-f-]{36})"', first + second)
    assert {UUID(number) for number in numbers} == placed
    assert len(numbers) == len(placed)
    assert 'rel="next"' not in second
    assert "Newest orders" in second


def test_times_are_shown_in_utc(app: Flask, browser: FlaskClient) -> None:
    order_id = place(app)
    with app.app_context(), database.writing() as session:
        session.get_one(Order, order_id).created_at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)

    for path in ("/", f"/orders/{order_id}"):
        assert (
            '<time datetime="2026-02-03T04:05:06+00:00">2026-02-03 04:05 UTC</time>'
            in browser.get(path).text
        )


def test_an_order_is_cancelled_once(app: Flask, browser: FlaskClient) -> None:
    page = f"/orders/{place(app)}"
    form = {"csrf_token": token(browser, page)}

    for sentence in ("The order is cancelled.", "The order is cancelled already."):
        response = browser.post(f"{page}/cancel", data=form, headers=SENT)
        assert response.status_code == 303
        order_page = browser.get(response.location).text
        assert sentence in order_page
        assert "Cancel the order" not in order_page


# {% if cookiecutter.webhooks %}
def test_a_paid_order_is_marked_and_cannot_be_cancelled(app: Flask, browser: FlaskClient) -> None:
    order_id = place(app)
    with app.app_context(), database.writing() as session:
        session.get_one(Order, order_id).paid_at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)

    order_page = browser.get(f"/orders/{order_id}").text

    assert "2026-02-03 04:05 UTC" in order_page
    assert "Cancel the order" not in order_page


# {% endif %}
def test_a_missing_page_is_a_404_page(browser: FlaskClient) -> None:
    for path in (f"/orders/{SOME_ID}", "/?cursor=made-up"):
        response = browser.get(path, headers=ACCEPT)

        assert response.status_code == 404, path
        assert "<h1>Not Found</h1>" in response.text, path


def test_an_undecodable_url_is_an_error_page(browser: FlaskClient) -> None:
    response = browser.get("/?cursor=%00", headers=ACCEPT)

    assert response.status_code == 400
    assert "<h1>Bad Request</h1>" in response.text


@pytest.mark.attack
def test_the_fields_of_an_order_are_shown_as_text(
    app: Flask, browser: FlaskClient, subtests: pytest.Subtests
) -> None:
    order_id = place(app, sku=INJECTED, currency="<b>")
    for path in ("/", f"/orders/{order_id}"):
        with subtests.test(path):
            order_page = browser.get(path).text

            assert "<script>alert" not in order_page
            assert "<b>" not in order_page
            assert "&lt;b&gt;" in order_page


@pytest.mark.attack
def test_nothing_is_cancelled_without_a_token(
    app: Flask, browser: FlaskClient, subtests: pytest.Subtests
) -> None:
    page = f"/orders/{place(app)}"
    for name, form, headers in (
        ("no token", {}, SENT),
        ("another's token", {"csrf_token": token(user_browser(app), page)}, SENT),
        ("another site", {"csrf_token": token(browser, page)}, {"Origin": "https://evil.example"}),
    ):
        with subtests.test(name):
            assert browser.post(f"{page}/cancel", data=form, headers=headers).status_code >= 400
            assert "Cancel the order" in browser.get(page).text
    with subtests.test("by a link"):
        assert browser.get(f"{page}/cancel").status_code == 405


# {% if cookiecutter.auth != "none" %}
@pytest.mark.attack
def test_orders_are_shown_to_their_owner_alone(app: Flask, subtests: pytest.Subtests) -> None:
    page = f"/orders/{place(app)}"
    other = app.test_client()
    with app.app_context():
        scopes = access.scopes_of("user")
    login(other, access.Principal(UUID(int=2), scopes))
    form = {"csrf_token": token(other, "/orders/new")}
    with subtests.test("one"):
        assert other.get(page).status_code == 404
    with subtests.test("cancel"):
        assert other.post(f"{page}/cancel", data=form, headers=SENT).status_code == 404
    with subtests.test("list"):
        assert page not in other.get("/").text


@pytest.mark.attack
def test_anonymous_users_are_redirected_to_the_login(app: Flask, subtests: pytest.Subtests) -> None:
    """The Authorization header of the client has no effect: pages accept only cookies."""
    for method, path, onward in (
        ("GET", "/", "/login?next=%2F"),
        ("GET", "/?cursor=a", "/login?next=%2F%3Fcursor%3Da"),
        ("GET", "/orders/new", "/login?next=%2Forders%2Fnew"),
        ("HEAD", "/orders/new", "/login?next=%2Forders%2Fnew"),
        ("GET", f"/orders/{SOME_ID}", f"/login?next=%2Forders%2F{SOME_ID}"),
        ("POST", "/orders/new", login_required.AFTER_LOST_SESSION),
        ("POST", f"/orders/{SOME_ID}/cancel", login_required.AFTER_LOST_SESSION),
    ):
        with subtests.test(f"{method} {path}"):
            anonymous = app.test_client()
            form = {"csrf_token": token(anonymous, "/quote")} if method == "POST" else None
            response = anonymous.open(path, method=method, data=form)

            assert response.status_code == 303
            assert response.location == onward


@pytest.mark.attack
def test_a_principal_without_the_scope_is_refused(app: Flask, subtests: pytest.Subtests) -> None:
    reader = app.test_client()
    login(reader, access.Principal(SOME_ID, frozenset({"orders:read"})))
    page = f"/orders/{place(app)}"
    form = {"csrf_token": token(reader, page)}
    for path in ("/orders/new", f"{page}/cancel"):
        with subtests.test(path):
            assert reader.post(path, data=form, headers=SENT).status_code == 403
    assert reader.get("/").status_code == 200


# {% endif %}
def test_a_page_of_orders_costs_two_queries(
    app: Flask, browser: FlaskClient, count_queries: CountQueries
) -> None:
    place(app)
    place(app)
    with count_queries(2):
        browser.get("/")
