"""One word for one thing, and the field's: words and phrases that no text of ours may hold.

`Words` of CONTRIBUTING.md is the glossary; this is what it has replaced, and phrases that a reader would have to
translate. Delete it when the glossary goes.
"""

import re
from functools import cache

import pytest

from combinations import ROOT, copied, template_files

BANNED = {
    r"anew": "again",
    r"whoever|whomever": "the client, the user, the operator, whose name is known",
    r"of late": "recently",
    r"hopeless": "permanent",
    r"dearer": "more expensive",
    r"sign(s|ed|ing)?[ -](in|out)s?": "log in, log out, login, logout",
    r"(?<!dead )(?<!dead-)letters?(?! of the alphabet)": "email; for characters: `letters and digits`",
    r"exchanges?": "the request; AMQP's exchange is allowed in code",
    r"visitors?": "browser user, user",
    r"as good as": "say what is equal",
    r"not any more": "no longer",
}
"""Patterns of whole words, in any case, and what to write."""
ALLOWED = (
    "lower-case letters",
    "letters, digits",
    "letters and digits",
    "of letters",
    "letters have more cases",
    "letter by letter",
)
"""Where a word means what it says."""
# History keeps the words of its time; the table names what it replaces.
HISTORY = {"CHANGELOG.md", "docs/decisions.md", "tests/test_words.py"}


def is_text(path: str) -> bool:
    """Tell whether people read a file of ours as text."""
    return path.endswith(
        (".py", ".md", ".toml", ".html", ".example", ".yml", ".yaml", ".conf", "Makefile")
    )


@cache
def pattern() -> re.Pattern[str]:
    return re.compile("|".join(rf"\b(?:{each})\b" for each in BANNED), re.IGNORECASE)


def banned(text: str) -> list[str]:
    """List the banned words of a text, with their lines."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        rest = line
        for allowed in ALLOWED:
            rest = rest.replace(allowed, "")
        found += [f"line {number}: {match.group()!r}" for match in pattern().finditer(rest)]
    return found


@pytest.mark.parametrize("path", [path for path in template_files() if is_text(path)])
def test_a_text_has_no_banned_word(path: str) -> None:
    if path in HISTORY or copied(path):
        pytest.skip("history, or a file of others' words")
    text = (ROOT / path).read_text()
    if path == "CONTRIBUTING.md":
        before, _, rest = text.partition("\n## Words\n")
        text = before + rest.partition("\n## ")[2]

    assert banned(text) == []
