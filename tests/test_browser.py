"""The pages of generated services, in a real browser: with scripts and without, light and dark."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog

import browsing
import openid
from bakery import Bakery
from browsing import Scheme, Visit
from combinations import Answers, choices
from drills.waiting import wait_until

pytestmark = pytest.mark.slow

# Without optional features; with the longest names that are accepted.
PLAIN: Answers = {
    **{name: False for name, values in choices().items() if isinstance(values[0], bool)},
    "example": True,
    "project_name": "A Shop for Everything That Somebody Far Away May Want to Order 1",
    "description": " ".join(["It takes orders, prices them and keeps them."] * 4)
    + " It does no more.",
    "web_ui": True,
    "background_tasks": True,
    "license": "none",
}
LONG = f"{'a-long-name-' * 5}at@{'very.' * 8}long.example"
PERSON = "ann@shop.example"
PASSWORD = "correct horse battery staple"  # noqa: S105  of nobody
SIGHTS: list[tuple[Scheme, bool]] = [("light", True), ("dark", True), ("light", False)]


def nothing(_visit: Visit) -> None:
    """Do not log in: all routes are public."""


def with_a_password(visit: Visit, email: str = PERSON) -> None:
    """Log in with an account of the service."""
    visit.goto("/login")
    visit.write("Email address", email)
    visit.write("Password", PASSWORD)
    visit.press("Log in")
    visit.reads(email)


def at_the_provider(visit: Visit) -> None:
    """Log in at the provider, as a user without an account at the service."""
    visit.elsewhere = PROVIDER["issuer"]
    visit.goto("/login")
    visit.press("Continue as Ann")
    visit.reads("ann@shop.example")


PROVIDER: dict[str, str] = {}  # the running issuer
# How a user logs in, by the answer `auth`.
LOGIN: dict[str, Callable[[Visit], None]] = {
    "none": nothing,
    "jwt": with_a_password,
    "oidc": at_the_provider,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    """The folder of each running service, by its URL."""
    return {}


@pytest.fixture(scope="module")
def sites(
    browser: Browser,
    all_services: Bakery,
    tmp_path_factory: pytest.TempPathFactory,
    folders: dict[str, Path],
) -> Iterator[Callable[[str, str], str]]:
    """Start each service once, when a test first needs it."""
    assert browser  # no provider is needed without it
    urls: dict[tuple[str, str], str] = {}
    with ExitStack() as stack:
        provider = stack.enter_context(openid.running())
        PROVIDER["issuer"] = provider.issuer

        def site(database: str, auth: str) -> str:
            if (database, auth) not in urls:
                made = all_services.bake(PLAIN | {"database": database, "auth": auth})
                kept = Path(shutil.copytree(made, tmp_path_factory.mktemp("site") / "service"))
                settings = provider.settings() if auth == "oidc" else {}
                url = stack.enter_context(browsing.running(kept, **settings))
                urls[database, auth], folders[url] = url, kept
                if auth == "jwt":
                    create = ("users", "create-admin", PERSON, "--password-file", "-")
                    browsing.flask(kept, *create, typed=PASSWORD)
            return urls[database, auth]

        yield site


Sites = Callable[[str, str], str]


@pytest.fixture(params=SIGHTS, ids=lambda sight: f"{sight[0]}-{'scripts' if sight[1] else 'plain'}")
def sight(request: pytest.FixtureRequest) -> tuple[Scheme, bool]:
    chosen: tuple[Scheme, bool] = request.param
    return chosen


def test_a_user_prices_a_basket(browser: Browser, sites: Sites, sight: tuple[Scheme, bool]) -> None:
    scheme, scripts = sight
    with browsing.visiting(browser, sites("none", "none"), scheme, scripts=scripts) as visit:
        visit.goto("/")
        visit.is_accessible()
        visit.press("Show the price")
        visit.reads("Line 1, Quantity: Fill this in.")
        assert visit.page.locator(":focus").get_attribute("class") == "form-errors"
        visit.is_accessible()
        visit.page.get_by_role("link", name="Line 1, Quantity: Fill this in.").click()
        assert visit.page.locator(":focus").get_attribute("id") == "lines-0-quantity"
        visit.fill(1, "TEA-100", "2", "4,50")
        visit.press("Add a line")
        visit.fill(2, "CUP-1", "1", "12")
        visit.press("Show the price")
        visit.reads("21.00 EUR")
        visit.is_accessible()


@pytest.mark.parametrize("auth", LOGIN)
def test_a_user_places_an_order_and_cancels_it(
    browser: Browser, sites: Sites, sight: tuple[Scheme, bool], auth: str
) -> None:
    scheme, scripts = sight
    with browsing.visiting(browser, sites("sqlite", auth), scheme, scripts=scripts) as visit:
        LOGIN[auth](visit)
        visit.goto("/orders/new")
        visit.fill(1, "no spaces", "two", "x")
        visit.press("Place the order")
        visit.reads("Line 1, Price of one: Must be an amount such as 4.50.")
        visit.is_accessible()
        visit.fill(1, "TEA-100", "2", "4.50")
        visit.press("Place the order")
        visit.reads("The order is placed.")
        visit.reads("9.00 EUR")
        visit.is_accessible()
        questions: list[str] = []

        def agree(dialog: Dialog) -> None:
            questions.append(dialog.message)
            dialog.accept()

        visit.page.on("dialog", agree)
        visit.press("Cancel the order")
        visit.reads("The order is cancelled.")
        assert questions == (["Cancel this order?"] if scripts else [])
        visit.is_accessible()


@pytest.mark.parametrize("auth", LOGIN)
def test_a_user_goes_through_the_pages_of_orders_by_keyboard(
    browser: Browser, sites: Sites, sight: tuple[Scheme, bool], auth: str
) -> None:
    scheme, scripts = sight
    with browsing.visiting(browser, sites("sqlite", auth), scheme, scripts=scripts) as visit:
        LOGIN[auth](visit)
        for _ in range(21):
            visit.goto("/orders/new")
            visit.fill(1, "TEA-100", "1", "1")
            visit.page.keyboard.press("Enter")  # and not "Add a line"
            visit.reads("The order is placed.")
        visit.goto("/")
        visit.is_accessible()
        visit.page.keyboard.press("Tab")
        assert visit.page.locator(":focus").inner_text() == "Skip to the content"
        visit.page.keyboard.press("Enter")
        visit.page.get_by_role("link", name="Older orders").press("Enter")
        visit.reads("Newest orders")
        visit.is_accessible()
        visit.page.get_by_role("link", name="Newest orders").press("Enter")
        visit.page.get_by_role("table").get_by_role("link").first.press("Enter")
        visit.page.get_by_role("heading", name="Order ").wait_for()


def test_a_user_logs_in_with_a_password_and_logs_out(
    browser: Browser, sites: Sites, sight: tuple[Scheme, bool]
) -> None:
    scheme, scripts = sight
    with browsing.visiting(browser, sites("sqlite", "jwt"), scheme, scripts=scripts) as visit:
        visit.goto("/orders/new")
        visit.is_accessible()
        visit.write("Email address", PERSON)
        visit.write("Password", "a guess, not more")
        visit.press("Log in")
        visit.reads("email address or the password is wrong")
        assert visit.page.locator(":focus").get_attribute("class") == "form-errors"
        visit.is_accessible()
        visit.write("Password", PASSWORD)
        visit.press("Log in")
        visit.fill(1, "TEA-100", "2", "4.50")
        visit.press("Place the order")
        visit.reads("The order is placed.")
        copied = visit.page.context.cookies()
        visit.press("Log out")
        visit.reads("You are logged out.")
        visit.is_accessible()
        visit.page.context.add_cookies(
            [{"name": each["name"], "value": each["value"], "url": visit.site} for each in copied]
        )
        visit.goto("/")
        visit.page.get_by_role("heading", name="Log in").wait_for()


def test_a_new_user_creates_an_account_and_changes_the_password_later(
    browser: Browser, sites: Sites, folders: dict[str, Path], sight: tuple[Scheme, bool]
) -> None:
    scheme, scripts = sight
    email = f"{scheme}-{'scripts' if scripts else 'plain'}@shop.example"
    site = sites("sqlite", "jwt")
    with browsing.visiting(browser, site, scheme, scripts=scripts) as visit:
        visit.goto("/login")
        visit.page.get_by_role("link", name="Make an account").click()
        visit.write("Email address", "ann")
        visit.write("Password", "short")
        visit.press("Make the account")
        visit.reads("Must be an address such as ann@example.com.")
        visit.is_accessible()
        visit.write("Email address", email)
        visit.write("Password", PASSWORD)
        visit.press("Make the account")
        visit.reads("one is on its way")
        visit.goto(browsing.path_in_email(folders[site], email, "/account/verify-email"))
        assert "token" not in visit.page.url
        visit.is_accessible()
        visit.press("Confirm the address")
        visit.reads("Your address is confirmed.")

        visit.page.get_by_role("link", name="I have forgotten my password").click()
        visit.is_accessible()
        visit.write("Email address", email)
        visit.press("Send an email")
        visit.reads("one is on its way")
        link = browsing.path_in_email(folders[site], email, "/account/reset-password")
        visit.goto(link)
        visit.is_accessible()
        visit.write("New password", f"{PASSWORD} again")
        visit.press("Change the password")
        visit.reads("Your password is changed.")
        visit.write("Email address", email)
        visit.write("Password", f"{PASSWORD} again")
        visit.press("Log in")
        visit.reads("Log out")
        visit.goto(link)  # it worked once
        visit.press("Change the password")
        visit.reads("Fill this in.")
        visit.write("New password", f"{PASSWORD} once more")
        visit.press("Change the password")
        visit.reads("This link is invalid or has expired")
        visit.is_accessible()


@pytest.mark.parametrize("database", ["none", "sqlite"])
def test_a_user_logs_in_at_a_provider_and_logs_out_of_both(
    browser: Browser, sites: Sites, sight: tuple[Scheme, bool], database: str
) -> None:
    scheme, scripts = sight
    with browsing.visiting(browser, sites(database, "oidc"), scheme, scripts=scripts) as visit:
        at_the_provider(visit)
        visit.is_accessible()
        assert visit.page.url == f"{visit.site}/"
        visit.press("Log out")
        visit.reads("You are logged out")
        visit.is_accessible()
        visit.page.get_by_role("link", name="Log out there too").click()
        visit.page.get_by_role("heading", name="Provider").wait_for()
        visit.goto("/logged-out")
        visit.page.get_by_role("link", name="Log in again").click()
        visit.press("Continue as Ann")
        visit.reads("ann@shop.example")


def fill_a_lot(visit: Visit, button: str) -> None:
    """Fill in the longest article numbers and the largest amounts that are accepted."""
    for line in (1, 2):
        visit.fill(line, f"{'W' * 63}{line}", "10000", "1000000.00")
        if line == 1:
            visit.press("Add a line")
    visit.press(button)
    visit.reads("20,000,000,000.00 EUR")


def look_at_baskets(visit: Visit) -> None:
    """Measure the page of a quote: empty, with errors, and with the price."""
    visit.goto("/quote" if visit.page.get_by_role("link", name="New order").count() else "/")
    visit.fits()
    visit.fill(1, "no spaces", "two", "x")
    visit.press("Show the price")
    visit.reads("Please correct this")
    visit.fits()
    fill_a_lot(visit, "Show the price")
    visit.fits()


def look_at_orders(visit: Visit) -> None:
    """Measure the pages of orders: all states of the list, the form and an order."""
    visit.goto("/")
    visit.fits()
    visit.goto("/orders/new")
    visit.fits()
    visit.fill(1, "no spaces", "two", "x")
    visit.write("Email address", "ann")
    visit.press("Place the order")
    visit.reads("Please correct this")
    visit.fits()
    visit.write("Email address", LONG)
    fill_a_lot(visit, "Place the order")
    visit.reads("The order is placed.")
    visit.fits()
    visit.press("Cancel the order")
    visit.reads("The order is cancelled.")
    visit.fits()
    visit.goto("/")
    visit.fits()


def look_at_the_account(visit: Visit, other: Visit) -> None:
    """Measure the page of an account with two sessions, and the pages that end sessions."""
    for each in (other, visit):
        each.goto("/account")
    visit.reads("End all other sessions")
    visit.fits()
    visit.is_accessible()
    visit.page.get_by_role("link", name="End the session that began").first.click()
    visit.reads("This session is logged out")
    visit.fits()
    visit.is_accessible()
    visit.goto("/account/sessions/end-others")
    visit.fits()


def look_at_a_problem(visit: Visit) -> None:
    """Measure the page of a 404."""
    visit.goto("/nowhere")
    visit.reads("Not Found")
    visit.fits()
    visit.is_accessible()


def test_everything_open_can_be_read_on_every_screen(browser: Browser, sites: Sites) -> None:
    for database in ("none", "sqlite"):
        with browsing.visiting(browser, sites(database, "none")) as visit:
            look_at_a_problem(visit)
            look_at_baskets(visit)
            if database == "sqlite":
                visit.page.on("dialog", Dialog.accept)
                look_at_orders(visit)


def test_everything_of_an_account_can_be_read_on_every_screen(
    browser: Browser, sites: Sites, folders: dict[str, Path]
) -> None:
    site = sites("sqlite", "jwt")
    create = ("users", "create-admin", LONG, "--password-file", "-")
    browsing.flask(folders[site], *create, typed=PASSWORD)
    with (
        browsing.visiting(browser, site) as visit,
        browsing.visiting(browser, site) as other,
    ):
        visit.page.on("dialog", Dialog.accept)
        look_at_a_problem(visit)
        for page, button in (
            ("/login", "Log in"),
            ("/account/register", "Make the account"),
            ("/account/forgot-password", "Send an email"),
        ):
            visit.goto(page)
            visit.fits()
            visit.press(button)
            visit.reads("Please correct this")
            visit.fits()
        for each in (visit, other):
            with_a_password(each, LONG)
        look_at_orders(visit)
        look_at_baskets(visit)
        look_at_the_account(visit, other)
        look_at_a_problem(visit)
        for page, button in (
            ("/account/password", "Change the password"),
            ("/account/email", "Send the link"),
            ("/account/close", "Close the account"),
        ):
            visit.goto(page)
            visit.fits()
            visit.is_accessible()
            visit.write("Current password", "a guess, not more")
            visit.press(button)
            visit.reads("Please correct this")
            visit.fits()
            visit.is_accessible()
        visit.press("Log out")
        visit.reads("You are logged out.")
        visit.fits()


def test_everything_of_a_user_of_a_provider_can_be_read_on_every_screen(
    browser: Browser, sites: Sites
) -> None:
    for database in ("none", "sqlite"):
        site = sites(database, "oidc")
        with (
            browsing.visiting(browser, site) as visit,
            browsing.visiting(browser, site) as other,
        ):
            visit.page.on("dialog", Dialog.accept)
            for each in (visit, other):
                at_the_provider(each)
            look_at_baskets(visit)
            look_at_a_problem(visit)
            if database == "sqlite":
                look_at_orders(visit)
                look_at_the_account(visit, other)
            visit.press("Log out")
            visit.reads("You are logged out")
            visit.fits()


def test_text_that_does_not_fit_is_detected(browser: Browser, sites: Sites) -> None:
    with browsing.visiting(browser, sites("none", "none")) as visit:
        for style, complaint in {
            "table, form { width: 90rem }": "px wide",
            "h1 { position: fixed; left: -3rem }": "outside of the screen",
            "label { overflow: hidden; width: 2rem; white-space: nowrap }": "is cut off",
            "form { overflow: auto; height: 3rem }": "is cut off",
            "label { width: 2rem; word-break: break-all }": "is broken",
            "h1 { position: absolute; top: 40%; left: 10% } h2, label, p { font-size: 3rem }": "lies on",
            "header { min-height: 12rem }": "of the height",
        }.items():
            visit.goto("/")
            visit.page.evaluate(
                "(style) => { const sheet = new CSSStyleSheet(); sheet.replaceSync(style);"
                " document.adoptedStyleSheets = [sheet]; }",
                style,
            )
            with pytest.raises(AssertionError, match=complaint):
                visit.fits()


def test_a_form_whose_session_is_over_leads_to_a_page(browser: Browser, sites: Sites) -> None:
    """The browser would block a redirect from a form to the provider."""
    with browsing.visiting(browser, sites("sqlite", "oidc")) as visit:
        at_the_provider(visit)
        visit.goto("/orders/new")
        visit.fill(1, "TEA-100", "2", "4.50")
        (kept,) = (each for each in visit.page.context.cookies() if each["name"] == "session")
        other = visit.page.context.new_page()
        other.goto(visit.site)
        other.get_by_role("button", name="Log out").click()
        other.get_by_text("You are logged out").first.wait_for()
        # The session cookie is restored, so the form's token is valid; its session has ended.
        visit.page.context.add_cookies(
            [{"name": "session", "value": kept.get("value", ""), "url": visit.site}]
        )
        visit.press("Place the order")
        visit.reads("You are logged out")


def test_an_error_in_the_browser_is_detected(browser: Browser, sites: Sites) -> None:
    def suffer(script: str) -> None:
        with browsing.visiting(browser, sites("none", "none")) as visit:
            visit.goto("/")
            visit.page.evaluate(f"() => {{ {script} }}")

            def complains() -> bool:
                visit.page.wait_for_timeout(50)  # the browser's events arrive during the wait
                return bool(visit.errors)

            wait_until(complains, "a complaint")

    for script, complaint in {
        "document.body.setAttribute('onclick', '1'); document.body.click()": "inline event handler",
        "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))": "inline",
        "console.error('oh')": "oh",
        "setTimeout(() => { throw new Error('a bug') })": "a bug",
        "location.href = 'http://127.0.0.1:1/'": "requested http://127.0.0.1:1/",
    }.items():
        with pytest.raises(AssertionError, match=complaint):
            suffer(script)


def test_a_violation_of_accessibility_is_detected(browser: Browser, sites: Sites) -> None:
    with browsing.visiting(browser, sites("none", "none")) as visit:
        visit.goto("/")
        visit.page.evaluate("() => document.querySelector('label').remove()")
        with pytest.raises(AssertionError, match="label"):
            visit.is_accessible()


def test_without_a_browser_the_test_is_skipped_or_fails_where_one_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium is on the PATH"):
        browsing.chromium()
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="no Chromium is on the PATH"):
        browsing.chromium()
