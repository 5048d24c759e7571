"""Orders and quotes are an example: nothing else names them, except where a domain is joined to others.

A file names them by an identifier (`OrderSchema`, `order_id`), by a part of a path, a module or a
scope (`/orders`, `app.quotes`, `orders:read`), or by a text that is one of these words. English in
comments, messages and names of tests does not count.
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
    "deploy/nginx/*",
    "stubs/**/*.pyi",
    "tests/**/*.py",
)
EXAMPLE = re.compile(
    r"app/(orders|quotes)/.*"
    r"|app/pages/(orders|quotes|addressed_forms|forms|money)\.py"
    r"|app/pages/templates/pages/(orders/.*|quote\.html)"
    r"|app/pages/tests/test_(money|order_pages|quote_mailing|quote_page)\.py"
    r"|tests/test_example\.py"
)
"""The files of the example itself."""

WORDS = {"basket", "baskets", "order", "orders", "quote", "quotes", "receipt", "receipts"}
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
LIBRARIES = {"order_by", "quote", "quote_plus"}
"""Names of SQLAlchemy and of urllib."""
WORD = r"(?:basket|order|quote|receipt)s?"
IN_TEXT = re.compile(
    rf"/{WORD}\b|\bapp[./](?:orders|quotes)\b|\b{WORD}[.:](?=[a-z])|\b{WORD}_(?!by\b)\w|^{WORD}$"
)

# Each file that names the example, and why.
WIRED = {
    ".env.example": "an example of a route with a limit of its own",
    "app/__init__.py": "creates the application of its domains",
    "app/admin/routes.py": "administrators see and cancel orders",
    "app/admin/schemas.py": "the audit log names an order's actions",
    "app/admin/service.py": "administrators cancel orders, audited",
    "app/admin/tests/test_accounts.py": "a closed account's owner loses access to orders",
    "app/admin/tests/test_admin.py": "administrators see and cancel orders",
    "app/pages/__init__.py": "prices are shown in templates",
    "app/pages/rendering.py": "the frame links to the pages",
    "app/pages/routes.py": "joins the blueprints of the pages",
    "app/webhooks/service.py": "a payment is passed on to orders",
    "pyproject.toml": "the import contracts list each domain",
    "tests/test_access_rules.py": "the rules of access list each route",
}
TO_MOVE: dict[str, str] = {}


def names(path: Path) -> Iterator[str]:
    """Yield what a file names the example by."""
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
        if named and not EXAMPLE.fullmatch(path)
    }
