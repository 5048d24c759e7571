"""Words and phrases that no text of the template or of a service may hold.

`Words` of CONTRIBUTING.md is the glossary. This test bans words that it has replaced, and phrases that a reader
would have to translate. Delete it when the glossary goes.
"""

import re

import pytest

from combinations import ROOT, template_files

BANNED = {
    r"anew": "again, from scratch",
    r"whoever|whomever": "the client, the user, the operator: the one who is meant",
    r"of late": "recently",
    r"hopeless": "permanent",
    r"dearer": "more expensive",
    r"sign(s|ed|ing)? (in|out)|sign-(in|out)s?": "log in, log out; login, logout",
    r"visitors?": "browser user, user",
    r"as good as": "the same as",
    r"not any more": "no longer",
    r"is told": "name what it is, or say who tells",
    r"nobody but": "only",
    r"hardly any": "few",
    r"by their looks": "by their format",
    r"knows nothing of": "does not depend on",
    r"has to be told": "needs, is configured with",
    r"leave that out": "remove it",
}
"""Patterns of whole words, in any case, and what to write instead."""
PATTERN = re.compile("|".join(rf"\b(?:{each})\b" for each in BANNED), re.IGNORECASE)
TEXT = (
    ".conf",
    ".c",
    ".css",
    ".example",
    ".html",
    ".md",
    ".py",
    ".toml",
    ".txt",
    ".yml",
    "Makefile",
)
# History keeps the words of its time, and the glossary names what it has replaced.
HISTORY = {"CHANGELOG.md", "CONTRIBUTING.md", "tests/test_words.py"}


def banned(text: str) -> list[str]:
    """List the banned words of a text, with the numbers of their lines."""
    return [
        f"line {number}: {found.group()}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in PATTERN.finditer(line)
    ]


@pytest.mark.parametrize(
    "path", [path for path in template_files() if path.endswith(TEXT) and path not in HISTORY]
)
def test_a_text_has_no_banned_word(path: str) -> None:
    assert banned((ROOT / path).read_text()) == []


def test_a_banned_word_is_found() -> None:
    assert banned("Fine.\nWhoever signs in\n") == ["line 2: Whoever", "line 2: signs in"]
