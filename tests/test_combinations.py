"""Every valid combination of runtime answers, generated and put through everything.

Each is started and asked. Those that together hold each triple of answers run all their tests, and so does the
covering set, under coverage, or without it in `make quick`. In all of them the tests would take hours: `make
test WHOLE=1` takes them.
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
    covering_set,
    holding_each_answer,
    holding_each_triple,
    ident,
    runtime_combinations,
)

COVERING = covering_set()
TRIPLES = holding_each_triple()
WITH_PROCESSES = holding_each_answer()


def marked(answers: Answers) -> object:
    marks = () if answers in COVERING else (pytest.mark.slow,)
    return pytest.param(answers, id=ident(answers), marks=marks)


@pytest.mark.parametrize("answers", [*map(marked, runtime_combinations())])
def test_a_combination_passes_everything(
    answers: Answers, bakery: Bakery, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("cpu", bakery.meter.parts))
    everywhere = request.config.option.quick or os.environ.get("WHOLE")
    generated_right(bakery, bakery.bake(answers), with_tests=bool(everywhere) or answers in TRIPLES)


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
