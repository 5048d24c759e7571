"""Every valid combination of runtime answers, generated and put through everything.

Each runs a part of its tests, because all of them would take hours: `make test WHOLE=1` takes them.
The covering set runs them all, under coverage, or without it in `make quick`.
"""

import os

import pytest

from answers import Answers, covering_set, ident, part, runtime_combinations
from checks import (
    covers_every_line_and_branch,
    generated_right,
    starts_cold,
)
from workshop import Workshop

COVERING = covering_set()


def marked(answers: Answers) -> object:
    marks = () if answers in COVERING else (pytest.mark.slow,)
    return pytest.param(answers, id=ident(answers), marks=marks)


@pytest.mark.parametrize("answers", [*map(marked, runtime_combinations())])
def test_a_combination_passes_everything(
    answers: Answers, workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("cpu", workshop.meter.parts))
    whole = request.config.option.quick or os.environ.get("WHOLE")
    generated_right(workshop, workshop.bake(answers), None if whole else part(answers))


@pytest.mark.slow
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_a_cold_interpreter_starts_the_service_too(answers: Answers, workshop: Workshop) -> None:
    starts_cold(workshop, workshop.bake(answers))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("answers", COVERING, ids=ident)
def test_its_own_tests_run_every_line_and_branch(answers: Answers, workshop: Workshop) -> None:
    covers_every_line_and_branch(workshop, workshop.bake(answers))
