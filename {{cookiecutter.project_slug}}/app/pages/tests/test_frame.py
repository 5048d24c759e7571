import re
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.api import PREFIX
from app.pages import rendering
from conftest import (  # one line where it fits
    MakeApp,
    # {% if cookiecutter.auth == "jwt" %}
    store_account,
    # {% endif %}
)
from tests.browsers import ACCEPT, SOME_ID, user_browser

PAGES = [
    "/",
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    "/quote",
    "/orders/new",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    "/account/register",
    "/account/forgot-password",
    "/login",
    "/account/password",
    "/account/email",
    "/account/close",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.database != "none" %}
    "/account",
    "/account/sessions/end-others",
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    "/logged-out",
    # {% endif %}
    f"/nowhere/{SOME_ID}",
]
CONTENT = {
    "pages.css": "text/css",
    "pages.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Outline(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def pages(app: Flask) -> dict[str, TestResponse]:
    """Return the response of each page for a logged-in user; the login page without a session."""
    # {% if cookiecutter.auth == "jwt" %}
    store_account(app, SOME_ID, "ann@shop.example")
    # {% endif %}
    seen: dict[str, TestResponse] = {
        path: user_browser(app).get(path, headers=ACCEPT) for path in PAGES
    }
    # {% if cookiecutter.auth == "jwt" %}
    seen["/login"] = app.test_client().get("/login", headers=ACCEPT)
    # {% endif %}
    return seen


def test_every_page_has_its_landmarks_and_names_its_fields(
    pages: dict[str, TestResponse],
) -> None:
    for path, response in pages.items():
        page = Outline(response.text)
        assert page.all("html") == [{"lang": "en"}], path
        for tag in ("title", "header", "main", "footer", "h1"):
            assert len(page.all(tag)) == 1, f"{path}: {tag}"
        assert page.all("a")[0] == {"class": "skip", "href": "#content"}, path
        input_ids = [each["id"] for each in page.all("input") if each["type"] != "hidden"]
        assert input_ids == [each["for"] for each in page.all("label")], path
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path


def test_every_page_has_a_title_of_its_own(pages: dict[str, TestResponse]) -> None:
    titles = {re.search("<title>(.*)</title>", response.text) for response in pages.values()}

    assert len({found[1] for found in titles if found}) == len(pages)


def test_a_script_runs_only_with_the_nonce_of_its_response(pages: dict[str, TestResponse]) -> None:
    nonces = set()
    for path, response in pages.items():
        policy = response.headers["Content-Security-Policy"]
        found = re.search(r"script-src 'nonce-([\w-]{22})';", policy)
        assert found, path
        page = Outline(response.text)
        assert {each["nonce"] for each in page.all("script")} == {found[1]}, path
        inline = [
            name
            for _, attributes in page.tags
            for name in attributes
            if name == "style" or name.startswith("on")
        ]
        assert not inline, path
        assert not page.all("style"), path
        nonces.add(found[1])
    assert len(nonces) == len(pages)


def test_pages_are_stored_nowhere_and_restrict_what_they_load(
    pages: dict[str, TestResponse],
) -> None:
    for path, response in pages.items():
        assert response.mimetype == "text/html", path
        assert response.headers["Cache-Control"] == "no-store", path
        assert response.headers["Referrer-Policy"] == "same-origin", path
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        policy = response.headers["Content-Security-Policy"]
        for directive in (
            "default-src 'none'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
        ):
            assert directive in policy, path
        assert "unsafe" not in policy, path


def test_scripts_keep_nothing_in_a_browser(client: FlaskClient) -> None:
    scripts = [f"/static/{name}" for name in CONTENT if name.endswith(".js")]
    for path in (*scripts, "/api/docs/start.js"):
        script = client.get(path).text
        assert "//" in script, path
        for store in (
            "localStorage",
            "sessionStorage",
            "indexedDB",
            "caches",
            "cookie",
            "serviceWorker",
            "persistAuthorization",  # an option of Swagger UI
        ):
            assert store not in script, path


def test_files_are_kept_for_as_long_as_they_stay_the_same(client: FlaskClient) -> None:
    page = client.get("/nowhere", headers=ACCEPT).text
    for name, kind in CONTENT.items():
        (url,) = {
            found.replace("&amp;", "&") for found in re.findall(f'"(/static/{name}[^"]*)"', page)
        }
        response = client.get(url)
        assert response.status_code == 200
        assert response.mimetype == kind
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        again = client.get(f"/static/{name}?v=old")
        assert again.headers["Cache-Control"] == "no-cache"
        unchanged = client.get(f"/static/{name}", headers={"If-None-Match": again.headers["ETag"]})
        assert unchanged.status_code == 304


def test_the_icon_is_served_at_its_usual_path(client: FlaskClient) -> None:
    assert client.get("/favicon.ico").mimetype == "image/svg+xml"


@pytest.mark.attack
def test_no_other_file_is_served(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for name in (
        "..",
        "../routes.py",
        "%2e%2e%2froutes.py",
        "..%5croutes.py",
        "x",
        "pages.css/",
    ):
        with subtests.test(name):
            assert client.get(f"/static/{name}").status_code == 404


def test_a_browser_sees_a_problem_as_a_page(app: Flask) -> None:
    response = user_browser(app).get("/nowhere", headers=ACCEPT)

    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "<h1>Not Found</h1>" in response.text
    assert response.headers["X-Request-ID"] in response.text


def test_a_problem_shows_its_statement_and_a_way_on(app: Flask) -> None:
    page = app.test_client().get("/nowhere", headers=ACCEPT).text

    assert '<a class="button" href="/">Go to the start</a>' in page
    # {% if cookiecutter.auth != "none" %}
    assert '<a href="/login">Log in</a>' in page
    assert "Log out" not in page
    # {% endif %}


def test_a_page_shows_how_long_to_wait_and_names_no_header() -> None:
    detail = "Too many requests. Try again after the number of seconds in Retry-After."
    for seconds, duration in (
        ("1", "1 second."),
        ("60", "60 seconds."),
        ("61", "2 minutes."),
        ("900", "15 minutes."),
    ):
        assert (
            rendering.readable_detail(429, detail, seconds)
            == f"Too many attempts. Try again in {duration}"
        )
    for status, retry_after in ((503, "2"), (429, None), (404, None)):
        assert rendering.readable_detail(status, detail, retry_after) == detail


def test_a_client_that_does_not_prefer_html_gets_the_document(client: FlaskClient) -> None:
    for path, accept in (
        ("/nowhere", "*/*"),
        ("/nowhere", "application/json"),
        ("/nowhere", "application/problem+json, text/html"),
        ("/nowhere", ""),
        (f"{PREFIX}/nowhere", "text/html"),
    ):
        response = client.get(path, headers={"Accept": accept})

        assert response.mimetype == "application/problem+json", accept
        assert "Accept" in response.headers.get("Vary", "") or path != "/nowhere"


def test_headers_that_belong_to_a_problem_stay_on_its_page(client: FlaskClient) -> None:
    response = client.delete("/", headers=ACCEPT)

    assert response.status_code == 405
    assert response.mimetype == "text/html"
    assert "GET" in response.headers["Allow"]


@pytest.mark.attack
def test_the_page_of_a_bug_has_no_details(make_app: MakeApp) -> None:
    app = make_app()

    @app.get("/bug/<text>")
    def bug(text: str) -> str:
        raise RuntimeError(text)

    response = app.test_client().get("/bug/canary<b>", headers=ACCEPT)

    assert response.status_code == 500
    assert "Internal Server Error" in response.text
    assert "canary" not in response.text
    assert "RuntimeError" not in response.text


@pytest.mark.attack
def test_no_client_input_reaches_a_problem_page(
    client: FlaskClient, subtests: pytest.Subtests
) -> None:
    injected = "<script>alert(1)</script>"
    for name, headers in {
        "the path": {},
        "the request id": {"X-Request-ID": injected},
        "the host": {"Host": "localhost'\"><script>alert(1)<"},
        "the referrer": {"Referer": f"http://localhost/{injected}"},
        "the user agent": {"User-Agent": injected},
        "the language": {"Accept-Language": injected},
    }.items():
        with subtests.test(name):
            response = client.get(f"/{injected}", headers={**ACCEPT, **headers})

            assert "<script>alert" not in response.text
            assert "alert" not in str(response.headers)
