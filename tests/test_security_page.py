"""The page on security names tests: each one is in the service that it is rendered for."""

import re

import pytest

from answers import Answers, covering_set, ident
from workshop import Workshop

NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("answers", covering_set(), ids=ident)
def test_each_test_that_the_page_names_exists(answers: Answers, workshop: Workshop) -> None:
    project = workshop.bake(answers)
    named = NAMED.findall((project / "docs/security.md").read_text())

    assert len(named) > 15
    missing = [
        f"{path}::{name}"
        for path, name in named
        if f"def {name}(" not in (project / path).read_text()
    ]
    assert not missing
