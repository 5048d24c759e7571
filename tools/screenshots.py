"""Photograph the pages of a service for the documentation, into docs/images."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "hooks")]

from playwright.sync_api import ViewportSize  # noqa: E402

import browsing  # noqa: E402  the paths come first
from bakery import Bakery  # noqa: E402
from combinations import Answers  # noqa: E402

ANSWERS: Answers = {"database": "sqlite", "auth": "jwt", "rate_limiting": False, "web_ui": True}
PERSON, PASSWORD = "ann@shop.example", "correct horse battery staple"
PHONE: ViewportSize = {"width": 375, "height": 667}
LAPTOP: ViewportSize = {"width": 1000, "height": 720}
IMAGES = ROOT / "docs" / "images"
SCHEMES: tuple[browsing.Scheme, ...] = ("light", "dark")


def photograph(visit: browsing.Visit, name: str, screen: ViewportSize = LAPTOP) -> None:
    """Keep what the user sees."""
    visit.page.set_viewport_size(screen)
    visit.page.screenshot(path=IMAGES / f"{name}.png", scale="css")
    visit.page.set_viewport_size(LAPTOP)


def login(visit: browsing.Visit) -> None:
    """Log in as the person of the pictures."""
    visit.goto("/login")
    visit.write("Email address", PERSON)
    visit.write("Password", PASSWORD)
    visit.press("Log in")
    visit.reads(PERSON)


def main() -> None:
    """Order something, and photograph the way there."""
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
                    photograph(visit, f"mistakes-{scheme}")
                    visit.fill(1, "TEA-100", "2", "4.50")
                    visit.press("Add a line")
                    visit.fill(2, "CUP-1", "1", "12")
                    visit.press("Place the order")
                    visit.reads("The order is placed.")
                    photograph(visit, f"order-{scheme}")
                    photograph(visit, f"order-phone-{scheme}", PHONE)
                    visit.goto("/")
                    photograph(visit, f"orders-{scheme}")
                    visit.goto("/account")
                    photograph(visit, f"account-{scheme}")
        bakery.forkserver.close()


if __name__ == "__main__":
    main()
