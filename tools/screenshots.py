"""Take the screenshots of a service's pages for the documentation, in docs/images."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "hooks")]

from playwright.sync_api import ViewportSize  # noqa: E402

import browsing  # noqa: E402  needs the paths above
from bakery import Bakery  # noqa: E402
from combinations import Answers  # noqa: E402

ANSWERS: Answers = {"database": "sqlite", "auth": "jwt", "rate_limiting": False, "web_ui": True}
PERSON, PASSWORD = "ann@shop.example", "correct horse battery staple"
PHONE: ViewportSize = {"width": 375, "height": 667}
LAPTOP: ViewportSize = {"width": 1000, "height": 720}
IMAGES = ROOT / "docs" / "images"
SCHEMES: tuple[browsing.Scheme, ...] = ("light", "dark")


def screenshot(visit: browsing.Visit, name: str, screen: ViewportSize = LAPTOP) -> None:
    """Save a screenshot of the page."""
    visit.page.set_viewport_size(screen)
    visit.page.screenshot(path=IMAGES / f"{name}.png", scale="css")
    visit.page.set_viewport_size(LAPTOP)


def login(visit: browsing.Visit) -> None:
    """Log in with the account of the screenshots."""
    visit.goto("/login")
    visit.write("Email address", PERSON)
    visit.write("Password", PASSWORD)
    visit.press("Log in")
    visit.reads(PERSON)


def main() -> None:
    """Place an order, and take screenshots of the pages on the way."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browsing.opened() as browser:
        bakery = Bakery(Path(folder) / "bakery", Path(folder) / "cache")
        project = bakery.bake(ANSWERS)
        with browsing.running(project) as site:
            create = ("users", "create-admin", PERSON, "--password-file", "-")
            browsing.flask(project, *create, typed=PASSWORD)
            for scheme in SCHEMES:
                with browsing.visiting(browser, site, scheme) as visit:
                    login(visit)
                    visit.goto("/orders/new")
                    visit.press("Place the order")
                    visit.reads("Please correct this")
                    screenshot(visit, f"mistakes-{scheme}")
                    visit.fill(1, "TEA-100", "2", "4.50")
                    visit.press("Add a line")
                    visit.fill(2, "CUP-1", "1", "12")
                    visit.press("Place the order")
                    visit.reads("The order is placed.")
                    screenshot(visit, f"order-{scheme}")
                    screenshot(visit, f"order-phone-{scheme}", PHONE)
                    visit.goto("/")
                    screenshot(visit, f"orders-{scheme}")
                    visit.goto("/account")
                    screenshot(visit, f"account-{scheme}")
        bakery.forkserver.close()


if __name__ == "__main__":
    main()
