"""The page on security answers the standard: by its numbers, each once, with tests that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakery import Bakery
from combinations import Answers, covering_set, ident

NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
# OWASP ASVS 5.0.0: the sections, and the levels of the requirements in each, in their order.
LEVELS: dict[str, str] = dict(
    re.findall(
        r"([\d.]+):(\d+)",
        """
        1.1:22 1.2:1111122223 1.3:112222222223 1.4:222 1.5:123
        2.1:122 2.2:112 2.3:12223 2.4:23
        3.1:3 3.2:113 3.3:12223 3.4:11222233 3.5:11122333 3.6:3 3.7:22333
        4.1:12233 4.2:23333 4.3:22 4.4:1222
        5.1:2 5.2:112333 5.3:113 5.4:222
        6.1:122 6.2:111111112222 6.3:11223333 6.4:112233 6.5:22222333 6.6:2223 6.7:33 6.8:2222
        7.1:222 7.2:1111 7.3:22 7.4:11222 7.5:223 7.6:22
        8.1:1233 8.2:1123 8.3:133 8.4:23
        9.1:111 9.2:1222
        10.1:22 10.2:223 10.3:22223 10.4:1111122222233333 10.5:22222 10.6:22 10.7:222
        11.1:2233 11.2:22233 11.3:11233 11.4:1222 11.5:23 11.6:23 11.7:33
        12.1:12233 12.2:11 12.3:22223
        13.1:2333 13.2:222223 13.3:2233 13.4:1222233
        14.1:22 14.2:12223333 14.3:122
        15.1:12233 15.2:12233 15.3:1222222 15.4:3333
        16.1:2 16.2:22222 16.3:2222 16.4:222 16.5:2223
        17.1:23 17.2:22223333 17.3:22
        """,
    )
)
STANDARD = {
    f"{section}.{number}": level
    for section, levels in LEVELS.items()
    for number, level in enumerate(levels, 1)
}
ASKED_FOR = {number for number, level in STANDARD.items() if level != "3"}


@pytest.fixture(scope="module", params=covering_set(), ids=ident)
def project(request: pytest.FixtureRequest, all_services: Bakery) -> Path:
    """Generate a service."""
    answers: Answers = request.param
    return all_services.bake(answers)


@pytest.fixture(
    scope="module", params=[each for each in covering_set() if each["dockerfile"]], ids=ident
)
def shipped(request: pytest.FixtureRequest, all_services: Bakery) -> Path:
    """Generate a service that makes an image."""
    answers: Answers = request.param
    return all_services.bake(answers)


def page(project: Path) -> str:
    return (project / "docs/security.md").read_text()


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the chapter and the cells of each row, but for those that say how rows are read."""
    for part in text.split("\n## V")[1:]:
        heading, *lines = part.split("\n## ")[0].splitlines()
        table = [line for line in lines if line.startswith("|")]
        for line in table[2:]:
            yield heading.split()[0], [cell.strip() for cell in line.strip("|").split("|")]


def meant(number: str) -> list[str]:
    """Return the requirement, or those of levels 1 and 2 in a section."""
    if number in LEVELS:
        return [each for each in STANDARD if each.startswith(f"{number}.") and each in ASKED_FOR]
    return [number]


def test_each_test_that_the_page_names_exists(project: Path) -> None:
    named = NAMED.findall(page(project))

    assert len(named) > 15
    missing = [
        f"{path}::{name}"
        for path, name in named
        if f"def {name}(" not in (project / path).read_text()
    ]
    assert not missing


def test_each_requirement_is_answered_once(project: Path) -> None:
    answered: list[str] = []
    for chapter, (cell, level, what, shown) in rows(page(project)):
        assert what, "a row says nothing"
        assert shown, f"nothing shows: {what}"
        numbers = [each for number in cell.split(", ") if cell for each in meant(number)]
        unknown = [each for each in numbers if each not in STANDARD]
        assert not unknown, f"the standard has no such requirement: {unknown}"
        assert {each.split(".")[0] for each in numbers} <= {chapter}, f"not of V{chapter}: {cell}"
        assert level == ", ".join(sorted({STANDARD[each] for each in numbers})), cell
        answered += numbers

    assert sorted({each for each in answered if answered.count(each) > 1}) == []
    assert sorted(ASKED_FOR - {*answered}) == []


def test_a_row_without_a_number_belongs_to_the_one_above(project: Path) -> None:
    before: dict[str, str] = {}
    for chapter, (cell, _, what, shown) in rows(page(project)):
        above = before.get(chapter)
        assert cell or above, f"the first row of V{chapter} has no number"
        assert cell or above != "does not apply", f"adds to what does not apply: {what}"
        before[chapter] = shown


def is_ignored(path: str, rules: list[str]) -> bool:
    """Return whether Docker excludes a file: the last rule that matches it or its folder counts."""
    ignored = False
    places = [path, *(str(each) for each in Path(path).parents if each.name)]
    for rule in rules:
        pattern = re.escape(rule.removeprefix("!"))
        pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, place) for place in places):
            ignored = not rule.startswith("!")
    return ignored


def test_an_image_holds_what_production_needs_and_nothing_else(shipped: Path) -> None:
    """What the row 15.2.3 says of `.dockerignore`."""
    lines = (shipped / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = [
        source
        for line in (shipped / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    files = [str(each.relative_to(shipped)) for each in shipped.rglob("*") if each.is_file()]
    files += [".env", ".git/config", ".venv/bin/python", "app/core/__pycache__/api.pyc"]

    kept = [each for each in files if not is_ignored(each, rules)]

    assert {each.split("/")[0] for each in kept} == set(copied)
    assert [
        each for each in kept if re.search(r"\btests?\b|test_|conftest|__pycache__", each)
    ] == []
    code = [each for each in files if each.endswith(".py") and each.startswith("app/")]
    assert {each for each in code if "/tests/" not in each} <= {*kept}


def test_the_standard_is_as_large_as_it_is() -> None:
    counts = [sum(level == each for level in STANDARD.values()) for each in "123"]

    assert counts == [70, 183, 92]
