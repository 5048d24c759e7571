"""Orders and quotes are an example: only the files that join domains name them.

A file names them by an identifier (`OrderSchema`, `order_id`), by a part of a path, a module or a
scope (`/orders`, `app.quotes`, `orders:read`), or by a string that is one of these words. Comments,
messages and names of tests may use the English words.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
FILES = (
    ".env.example",
    "Makefile",
    "*.py",
    "pyproject.toml",
    "app/**/*.html",
    "app/**/*.js",
    "app/**/*.py",
    "app/**/*.txt",
    "deploy/nginx/*",
    "stubs/**/*.pyi",
    "tests/**/*.py",
)
EXAMPLE = re.compile(
    r"app/(orders|quotes|admin/orders)/.*"
    r"|app/admin/tests/test_orders\.py"
    r"|app/pages/(orders|quotes|addressed_forms|basket_forms|money)\.py"
    r"|app/pages/static/orders\.js"
    r"|app/pages/templates/pages/(orders/.*|(basket|quote)\.html)"
    r"|app/pages/tests/test_(money|order_pages|quote_emails|quote_page)\.py"
    r"|tests/test_example\.py"
)
"""The files of the example itself."""
LISTED = re.search(
    r"^DOMAINS: .+ = \((.*?)\)$",
    (PROJECT / "app" / "domains.py").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
NAMES = re.findall(r"\w+", LISTED[1]) if LISTED else []
OWN = re.compile("|".join(["app/domains.py", *(f"app/{name}/" for name in NAMES)]))
"""The files of the owner's domains, which may use the example."""

WORDS = {"basket", "baskets", "order", "orders", "quote", "quotes", "receipt", "receipts"}
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
LIBRARIES = {"order_by", "quote", "quote_plus"}
"""Names of SQLAlchemy and of urllib."""
WORD = r"(?:basket|order|quote|receipt)s?"
IN_TEXT = re.compile(
    rf"/{WORD}\b(?!-)|\bapp[./](?:orders|quotes)\b|\b{WORD}[.:](?=[a-z])|\b{WORD}_(?!by\b|plus\b)\w+|^{WORD}$"
)

# Each file that names the example, and why: where one domain is joined to another.
WIRED = {
    "app/__init__.py": "the application is made of its domains",
    "app/admin/__init__.py": "joins the routes for administrators",
    "app/admin/tests/access_rules.py": "administrators see and cancel orders",
    "app/pages/rendering.py": "the frame links to the pages",
    "app/pages/routes.py": "joins the blueprints of the pages",
    "app/pages/tests/test_frame.py": "looks at the frame of each page",
    "app/pages/tests/test_prefix.py": "follows the links of each page, an order's too",
    "pyproject.toml": "the import contracts list each domain",
}


def names(path: Path) -> Iterator[str]:
    """Yield the names of the example in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix not in {".py", ".pyi"}:
        yield from (found[0] for found in IN_TEXT.finditer(text))
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            parts = {part.lower() for part in PARTS.findall(token.string)}
            if parts & WORDS and token.string not in LIBRARIES and token.string[:5] != "test_":
                yield token.string
        elif token.type in {tokenize.STRING, tokenize.COMMENT}:
            yield from (found[0] for found in IN_TEXT.finditer(token.string.strip("\"'")))


def places() -> dict[str, list[str]]:
    """Return the files outside of the example that name it, each with the names."""
    files = {path for pattern in FILES for path in PROJECT.glob(pattern) if path.is_file()}
    found = {path.relative_to(PROJECT).as_posix(): sorted(set(names(path))) for path in files}
    return {
        path: named
        for path, named in sorted(found.items())
        if named and not EXAMPLE.fullmatch(path) and not OWN.match(path)
    }


def test_only_the_places_that_are_listed_name_the_example() -> None:
    assert {path: found for path, found in places().items() if path not in WIRED} == {}


def test_no_domain_is_wired_in_the_core_or_its_tests() -> None:
    assert [path for path in WIRED if path.startswith(("app/core/", "tests/core/"))] == []
