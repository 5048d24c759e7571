"""Every valid combination of runtime answers, generated and checked.

Each is started and gets three requests. Combinations that together hold each triple of answers run their tests:
the covering set under coverage (in `make quick` without it), the others without. All tests in all combinations take
hours: `make test WHOLE=1` runs them.
"""

import os

import pytest

from bakery import Bakery
from checks import (
    covers_every_line_and_branch,
    generated_right,
    starts_cold,
)
from combinations import (
    Answers,
    beyond_the_covering_set,
    covering_set,
    holding_each_answer,
    ident,
    runtime_combinations,
)

COVERING = covering_set()
BEYOND = beyond_the_covering_set()
WITH_PROCESSES = holding_each_answer()


def marked(answers: Answers) -> object:
    marks = () if answers in COVERING else (pytest.mark.slow,)
    return pytest.param(answers, id=ident(answers), marks=marks)


@pytest.mark.parametrize("answers", [*map(marked, runtime_combinations())])
def test_a_combination_passes_everything(
    answers: Answers, bakery: Bakery, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("cpu", bakery.meter.parts))
    everywhere = bool(request.config.option.quick or os.environ.get("WHOLE"))
    generated_right(
        bakery,
        bakery.bake(answers),
        types_of_tests=everywhere or answers in COVERING or answers in BEYOND,
        suite=everywhere or answers in BEYOND,
    )


@pytest.mark.slow
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_a_cold_interpreter_starts_the_service_too(answers: Answers, bakery: Bakery) -> None:
    starts_cold(bakery, bakery.bake(answers))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_its_own_tests_run_every_line_and_branch(answers: Answers, bakery: Bakery) -> None:
    covers_every_line_and_branch(
        bakery, bakery.bake(answers), with_processes=answers in WITH_PROCESSES
    )
