"""Photograph the pages of a service for the documentation, into docs/images."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "hooks")]

import browsing  # noqa: E402  the paths come first
from answers import Answers  # noqa: E402
from workshop import Workshop  # noqa: E402

ANSWERS: Answers = {"database": "sqlite", "auth": "none", "rate_limiting": False, "web_ui": True}
IMAGES = ROOT / "docs" / "images"
SCHEMES: tuple[browsing.Scheme, ...] = ("light", "dark")


def photograph(visit: browsing.Visit, name: str) -> None:
    """Keep what the visitor sees."""
    visit.page.screenshot(path=IMAGES / f"{name}.png", scale="css")


def main() -> None:
    """Order something, and photograph the way there."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browsing.opened() as browser:
        workshop = Workshop(Path(folder) / "workshop", Path(folder) / "cache")
        with browsing.running(workshop.bake(ANSWERS)) as site:
            for scheme in SCHEMES:
                with browsing.visiting(browser, site, scheme) as visit:
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
                    visit.goto("/")
                    photograph(visit, f"orders-{scheme}")
        workshop.warm.close()


if __name__ == "__main__":
    main()
