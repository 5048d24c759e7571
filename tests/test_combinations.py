"""Every valid combination of runtime answers, generated and put through everything.

Each runs a part of its tests, because all of them would take hours: `make test WHOLE=1` takes them. Those
that together hold each triple of answers run them all, and so does the covering set, under coverage, or
without it in `make quick`.
"""

import os

import pytest

from bakery import Bakery
from checks import (
    covers_every_line_and_branch,
    generated_right,
    starts_cold,
)
from combinations import Answers, covering_set, ident, part, runtime_combinations

COVERING = covering_set()


def marked(answers: Answers) -> object:
    marks = () if answers in COVERING else (pytest.mark.slow,)
    return pytest.param(answers, id=ident(answers), marks=marks)


@pytest.mark.parametrize("answers", [*map(marked, runtime_combinations())])
def test_a_combination_passes_everything(
    answers: Answers, bakery: Bakery, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("cpu", bakery.meter.parts))
    whole = request.config.option.quick or os.environ.get("WHOLE")
    generated_right(bakery, bakery.bake(answers), None if whole else part(answers))


@pytest.mark.slow
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_a_cold_interpreter_starts_the_service_too(answers: Answers, bakery: Bakery) -> None:
    starts_cold(bakery, bakery.bake(answers))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_its_own_tests_run_every_line_and_branch(answers: Answers, bakery: Bakery) -> None:
    covers_every_line_and_branch(bakery, bakery.bake(answers))
