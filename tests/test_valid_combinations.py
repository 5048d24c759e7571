"""The list of combinations: what it must hold, checked by other means than those that made it."""

import fnmatch
from itertools import chain, product
from itertools import combinations as subsets

import pytest

from combinations import (
    TREE,
    Answers,
    Choices,
    Requires,
    beyond_the_covering_set,
    choices,
    copied,
    covering_rows,
    covering_set,
    depends_on,
    holding_each_answer,
    manifest,
    mentions,
    questions,
    runtime_answers,
    runtime_combinations,
    tree_files,
    valid,
    valid_combinations,
)
from pre_gen_project import REQUIRES, terms

SOME: Choices = {
    "database": ["postgresql", "sqlite", "none"],
    "auth": ["jwt", "oidc", "none"],
    "kubernetes": [False, True],
    "dockerfile": [True, False],
}
NEEDS: Requires = {"auth=jwt": ["database"], "kubernetes": ["dockerfile", "auth"]}


def pairs(rows: list[Answers]) -> set[tuple[object, ...]]:
    return {pair for row in rows for pair in subsets(sorted(row.items()), 2)}


def test_what_requires_excludes_is_not_a_combination() -> None:
    found = list(valid_combinations(SOME, NEEDS))

    assert {"database": "none", "auth": "oidc", "kubernetes": True, "dockerfile": True} in found
    assert not [row for row in found if row["auth"] == "jwt" and row["database"] == "none"]
    assert not [row for row in found if row["kubernetes"] and not row["dockerfile"]]
    assert not [row for row in found if row["kubernetes"] and row["auth"] == "none"]
    # 3 * 3 pairs less jwt without a database; of the 8, 3 have no auth; kubernetes=no: either image
    assert len(found) == 8 * 2 + (8 - 3) * 1


@pytest.mark.parametrize("needs", [{}, NEEDS], ids=["free", "with requirements"])
def test_the_covering_rows_hold_each_pair_that_can_meet(needs: Requires) -> None:
    everything = list(valid_combinations(SOME, needs))
    rows = covering_rows(SOME, needs)

    assert all(valid(row, needs) for row in rows)
    assert pairs(rows) == pairs(everything)
    assert len(rows) < len(everything)


def test_the_covering_set_holds_each_pair_of_runtime_answers() -> None:
    def shortened(rows: list[Answers]) -> list[Answers]:
        return [{name: row[name] for name in runtime_answers()} for row in rows]

    assert pairs(shortened(covering_set())) == pairs(shortened(runtime_combinations()))
    assert len(covering_set()) <= len(runtime_combinations())


def test_a_missing_row_would_be_noticed() -> None:
    rows = covering_rows(SOME, {})

    assert any(pairs(rows) != pairs([*rows[:i], *rows[i + 1 :]]) for i in range(len(rows)))


def test_the_runtime_combinations_are_all_there_and_each_is_there_once() -> None:
    def runtime_part(row: Answers) -> tuple[object, ...]:
        return tuple(row[name] for name in runtime_answers())

    everything = (dict(zip(choices(), row, strict=True)) for row in product(*choices().values()))
    expected = {runtime_part(row) for row in everything if valid(row, REQUIRES)}
    rows = [runtime_part(row) for row in runtime_combinations()]

    assert set(rows) == expected
    assert len(rows) == len(expected)


def test_some_combinations_hold_all_that_any_three_answers_can_be() -> None:
    def triples(rows: list[Answers]) -> set[tuple[object, ...]]:
        items = ([(name, row[name]) for name in runtime_answers()] for row in rows)
        return {triple for each in items for triple in subsets(each, 3)}

    rows = covering_set() + beyond_the_covering_set()

    assert triples(rows) == triples(runtime_combinations())
    assert len(rows) < len(runtime_combinations())
    assert not any(row in covering_set() for row in beyond_the_covering_set())


@pytest.mark.parametrize("first", [0, 4, 8])
def test_a_few_rows_of_the_covering_set_hold_each_answer(first: int) -> None:
    rows = holding_each_answer(first)

    assert {(name, row[name]) for row in rows for name in runtime_answers()} == {
        (name, each) for name in runtime_answers() for each in choices()[name]
    }
    assert len(rows) < len(covering_set())


def test_the_packaging_answers_take_turns() -> None:
    for name in choices().keys() - set(runtime_answers()):
        assert {row[name] for row in runtime_combinations()} == set(choices()[name])


def test_every_answer_changes_some_file() -> None:
    used = set().union(*map(depends_on, tree_files()))

    assert used == choices().keys()


def test_a_file_that_is_copied_depends_on_the_manifest_alone() -> None:
    pages = [path for path in tree_files() if copied(path)]

    assert "app/pages/templates/pages/base.html" in pages
    assert not [path for path in pages if path.endswith(".py")]
    assert depends_on("app/pages/templates/pages/base.html") == {"web_ui"}
    # Its loops over lists in brackets would be answers, were it read as a template of ours.
    assert mentions((TREE / "app/pages/templates/pages/base.html").read_text())


def test_each_pattern_of_copied_files_fits_some_file() -> None:
    for pattern in questions()["_copy_without_render"]:
        assert fnmatch.filter(tree_files(), pattern)


def test_every_name_in_the_hooks_is_asked_for() -> None:
    for key in [*manifest(), *REQUIRES, *(need for needs in REQUIRES.values() for need in needs)]:
        for term in chain.from_iterable(terms(key)):
            name, _, value = term.partition("=")
            assert name in choices()
            two_way = {"yes", "no"} if isinstance(choices()[name][0], bool) else set()
            assert not value or value in {*choices()[name], *two_way}


def test_every_question_has_a_sentence_for_people() -> None:
    prompts = questions()["__prompts__"]

    assert prompts.keys() == {name for name in questions() if not name.startswith("_")}
