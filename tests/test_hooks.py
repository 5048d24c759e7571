"""Unit tests of the hooks: the validation of answers, and the removal of files."""

import ast
import doctest
import inspect
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

import post_gen_project
import pre_gen_project
from bakery import Bakery
from combinations import TREE, Answers, questions, tree_files
from pre_gen_project import DEPENDENCIES, RESERVED, problems
from rendering import exists, first_of_each

VALID: Answers = {
    "project_name": "Order Service",
    "project_slug": "order-service",
    "description": "Takes orders.",
    "database": "postgresql",
    "auth": "none",
    "caching": False,
    "_template": 'a "quoted" path is none of our business\n',
}


def found(**answers: str | bool) -> list[str]:
    given = VALID | answers
    return [problem.sentence for problem in problems(given, {})]


def test_valid_answers_have_no_problems() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "text", ["é", "'", "&", ":", "#", "{", "%", "<", "Ünïted \u2013 “quotes”", "注文"]
)
def test_these_characters_are_accepted_in_free_text(text: str) -> None:
    assert found(project_name=f"A {text}", description=f"a {text} b") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a "b"', "contains '\"'"),
        ("a \\ b", r"contains '\\'"),
        ("a\nb", r"contains '\n'"),
        ("a\rb", r"contains '\r'"),
        ("a\x00b", r"contains '\x00'"),
        ("a\x1bb", r"contains '\x1b'"),
        ("a\x85b", r"contains '\x85'"),
        ("a\u2028b", r"contains '\u2028'"),
        ("a\u2029b", r"contains '\u2029'"),
        ("a\u202eb", r"contains '\u202e'"),
        (" a", "begins or ends with whitespace"),
        ("a ", "begins or ends with whitespace"),
        ("a" * 201, "has 201 characters: use at most 200"),
        ("{" + "{ cookiecutter }}", "template code"),
        ("# {" + "% if x %}", "template code"),
        ("# {" + "# note #}", "template code"),
    ],
)
def test_these_are_refused_in_free_text(text: str, message: str) -> None:
    [sentence] = found(description=text)

    assert sentence.startswith("description ")
    assert message in sentence


@pytest.mark.parametrize("value", [None, {"a": "1"}, 5])
def test_what_is_neither_a_text_nor_yes_or_no_is_refused(value: object) -> None:
    assert found(description=cast("str", value)) == [
        f"description is {value!r}: enter one text, or yes or no."
    ]


def test_several_characters_are_named_in_one_sentence() -> None:
    [sentence] = found(description='a\t"b"')

    assert r"""'\t', '"'""" in sentence


def test_template_code_is_refused_even_when_it_has_been_rendered_already() -> None:
    typed: Answers = {"description": "{" + "{ 1 + 1 }}", "project_slug": "{" + "{ the default }}"}

    [problem] = problems(VALID | {"description": "2"}, typed)
    assert problem.sentence.startswith("description contains template code")


@pytest.mark.parametrize(
    "slug", ["a", "orders", "order-service", "order_service", "a1", "a-1", "x" * 64]
)
def test_a_valid_slug_is_accepted(slug: str) -> None:
    assert found(project_slug=slug) == []


@pytest.mark.parametrize(
    "slug",
    ["", "A", "1a", "-a", "a-", "a--b", "a_-b", "a b", "a.b", "a/b", "../a", "é", "a\n", "x" * 65],
)
def test_a_malformed_slug_is_refused(slug: str) -> None:
    assert any(sentence.startswith("project_slug ") for sentence in found(project_slug=slug))


@pytest.mark.parametrize("slug", ["calendar", "class", "string", "json", "concurrent"])
def test_a_name_of_python_is_refused(slug: str) -> None:
    [sentence] = found(project_slug=slug)

    assert "a module or keyword of Python" in sentence


@pytest.mark.parametrize("slug", ["app", "test", "tests", "flask", "migrations", "pip"])
def test_a_name_that_breaks_is_refused(slug: str) -> None:
    assert len(found(project_slug=slug)) == 1


def declared_dependencies() -> set[str]:
    """Read the names of all distributions in the tree's pyproject.toml."""
    read = tomllib.loads((TREE / "pyproject.toml").read_text())
    project, groups = read["project"], read["dependency-groups"]
    optional = project["optional-dependencies"]
    specifications = [project["dependencies"], *optional.values(), *groups.values()]
    return {re.split(r"[^A-Za-z0-9._-]", each)[0] for each in chain.from_iterable(specifications)}


def imported_packages() -> set[str]:
    """List the third-party packages that the tree's Python files import, spelled with hyphens."""
    modules: set[str] = set()
    for path in (each for each in tree_files() if each.endswith(".py")):
        for node in ast.walk(ast.parse((TREE / path).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    own = {Path(path.split("/")[0]).stem for path in tree_files()}
    names = {module.split(".")[0] for module in modules} - own - sys.stdlib_module_names
    # `_typeshed` exists for type checkers only, and no slug begins with `_`.
    return {name.replace("_", "-") for name in names if not name.startswith("_")}


def test_the_names_of_dependencies_are_those_of_the_tree() -> None:
    derived = declared_dependencies() | imported_packages()

    assert sorted(DEPENDENCIES.split()) == sorted(derived), (
        f"write into DEPENDENCIES of hooks/pre_gen_project.py: {' '.join(sorted(derived))}"
    )


@pytest.mark.parametrize("name", sorted({*DEPENDENCIES.split(), *RESERVED.split()}))
def test_the_name_of_a_package_that_the_service_needs_is_refused(name: str) -> None:
    for slug in (name, name.replace("-", "_")):
        [sentence] = found(project_slug=slug)
        assert "a package that the service uses" in sentence


def doctests(module: ModuleType) -> list[doctest.DocTest]:
    return [each for each in doctest.DocTestFinder().find(module) if each.examples]


@pytest.mark.parametrize(
    "examples",
    [*doctests(pre_gen_project), *doctests(post_gen_project)],
    ids=lambda each: each.name,
)
def test_the_examples_in_the_hooks_are_true(examples: doctest.DocTest) -> None:
    output: list[str] = []

    assert not doctest.DocTestRunner().run(examples, out=output.append).failed, "".join(output)


RULES = [name for name in vars(pre_gen_project) if name.startswith("check_")]


@pytest.mark.parametrize("name", RULES)
def test_each_rule_has_a_valid_and_an_invalid_example(name: str) -> None:
    [examples] = [each for each in doctests(pre_gen_project) if each.name.endswith(f".{name}")]
    wanted = {example.want.strip() for example in examples.examples}

    accepted = {want for want in wanted if want in {"", "(None, None)"}}
    assert accepted
    assert wanted - accepted


def test_both_hooks_have_the_same_grammar_of_conditions() -> None:
    for name in ("terms", "chosen"):
        copies = [
            inspect.getsource(getattr(hook, name)) for hook in (pre_gen_project, post_gen_project)
        ]
        assert copies[0] == copies[1]


@pytest.mark.parametrize("name", ["", " ", "-", "?", "a" * 65])
def test_a_malformed_name_is_refused(name: str) -> None:
    assert any(sentence.startswith("project_name ") for sentence in found(project_name=name))


def test_requirements_are_data(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"auth=jwt": ["database", "caching"], "caching": ["database=postgresql"]}
    monkeypatch.setattr(pre_gen_project, "REQUIRES", needs)

    assert found(auth="oidc", database="none") == []
    assert found(auth="jwt", caching=True) == []
    assert found(auth="jwt", database="none") == [
        "auth=jwt needs database: change one of the two answers.",
        "auth=jwt needs caching: change one of the two answers.",
    ]
    assert found(caching=True, database="mysql") == [
        "caching needs database=postgresql: change one of the two answers."
    ]


def test_a_requirement_can_be_any_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"auth=jwt or auth=oidc and caching": ["database=postgresql or database=mysql"]}
    monkeypatch.setattr(pre_gen_project, "REQUIRES", needs)

    assert found(auth="oidc", database="none") == []
    assert found(auth="oidc", caching=True, database="mysql") == []
    [problem] = problems(VALID | {"auth": "oidc", "caching": True, "database": "none"}, {})
    assert problem.questions == ("auth", "caching", "database")


def test_all_problems_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_gen_project, "REQUIRES", {"auth=jwt": ["database"]})

    listed = found(project_name="", project_slug="", description='"', auth="jwt", database="none")

    assert [sentence.split()[0] for sentence in listed] == [
        "description",
        "project_name",
        "project_slug",
        "auth=jwt",
    ]


def test_every_message_has_a_problem_and_a_solution() -> None:
    for sentence in found(project_name=" ", project_slug="flask", description='a\n"' + "b" * 300):
        problem, _, advice = sentence.partition(": ")
        assert problem
        assert advice.endswith(".")


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("database", "mysql", True),
        ("database", "none", False),
        ("database=mysql", "mysql", True),
        ("database=mysql", "sqlite", False),
        ("database=none", "none", True),
        ("database=mysql or database=sqlite", "sqlite", True),
        ("database=mysql or database=sqlite", "postgresql", False),
        ("database and database=mysql", "mysql", True),
        ("database and database=mysql", "sqlite", False),
        ("database=sqlite or database=mysql and database=none", "sqlite", True),
        ("database", True, True),
        ("database", False, False),
    ],
)
def test_both_hooks_read_a_condition_alike(
    condition: str, *, value: str | bool, expected: bool
) -> None:
    assert pre_gen_project.chosen({"database": value}, condition) is expected
    assert post_gen_project.chosen({"database": value}, condition) is expected


def test_a_condition_on_a_question_that_does_not_exist_is_an_error() -> None:
    for hook in (pre_gen_project, post_gen_project):
        with pytest.raises(KeyError, match="kubernetes"):
            hook.chosen(VALID, "kubernetes")


MANIFEST = """\
[only-with]
"database" = ["app/orders", "app/core/database"]
"database=mysql" = ["docs/deep/mysql.md"]
"caching" = ["app/orders/cache.py"]
"caching or auth" = ["app/core/access/tokens.py"]
"caching and database=mysql or auth=oidc" = ["app/both.py"]
"""


PROJECT = {
    "app/both.py",
    "app/core/access/tokens.py",
    "app/core/database/engine.py",
    "app/core/own.py",
    "app/orders/cache.py",
    "app/orders/routes.py",
    "app/orders/tests/test_cache.py",
    "docs/deep/mysql.md",
    "tests/core/access/test_tokens.py",
    "tests/core/database/test_engine.py",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path in PROJECT:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "empty on purpose").mkdir()
    (tmp_path / post_gen_project.MANIFEST).write_text(MANIFEST)
    return tmp_path


def left(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


def test_what_was_not_chosen_is_removed(project: Path) -> None:
    post_gen_project.prune(project, VALID | {"database": "none"})

    assert left(project) == {"app/core/own.py"}


def test_what_was_chosen_stays(project: Path) -> None:
    post_gen_project.prune(project, VALID | {"database": "mysql", "caching": True})

    assert left(project) == PROJECT


def test_a_file_inside_a_chosen_folder_can_have_its_own_answer(project: Path) -> None:
    post_gen_project.prune(project, VALID | {"caching": False})

    assert (project / "app/orders/routes.py").exists()
    assert not (project / "app/orders/cache.py").exists()
    assert not (project / "app/orders/tests").exists()


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ({"caching": True, "database": "mysql"}, True),
        ({"caching": True, "database": "sqlite"}, False),
        ({"caching": False, "database": "mysql"}, False),
        ({"auth": "oidc"}, True),
    ],
)
def test_answers_can_be_joined_and_means_both(
    project: Path, answers: Answers, *, kept: bool
) -> None:
    post_gen_project.prune(project, VALID | answers)

    assert (project / "app/both.py").exists() is kept


@pytest.mark.parametrize(("auth", "caching"), [("jwt", False), ("none", True), ("jwt", True)])
def test_one_of_several_answers_is_enough(project: Path, auth: str, *, caching: bool) -> None:
    post_gen_project.prune(project, VALID | {"auth": auth, "caching": caching})

    assert (project / "app/core/access/tokens.py").exists()
    assert (project / "tests/core/access/test_tokens.py").exists()


def test_folders_left_empty_go_too_and_no_others(project: Path) -> None:
    post_gen_project.prune(project, VALID)

    assert not (project / "docs").exists()
    assert (project / "empty on purpose").is_dir()


def test_pruning_twice_changes_nothing_more(project: Path) -> None:
    post_gen_project.prune(project, VALID)
    once = left(project)
    (project / post_gen_project.MANIFEST).write_text(MANIFEST)
    post_gen_project.prune(project, VALID)

    assert left(project) == once


def test_a_service_is_what_its_answers_keep_of_the_tree(bakery: Bakery) -> None:
    answers = first_of_each() | {"tracing": False, "webhooks": True}

    made = left(bakery.bake(answers))

    assert made == {path for path in tree_files() if exists(path, answers)}


def test_an_older_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))

    [sentence] = found()
    assert "older than 3.11" in sentence


def test_the_hooks_ask_for_every_free_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_gen_project, "REQUIRES", {})
    texts = [name for name, value in questions().items() if isinstance(value, str)]

    for name in texts:
        assert any(sentence.startswith(f"{name} ") for sentence in found(**{name: 'a "b"'}))


SEAMED = f"""\
from app import ({post_gen_project.NOTE}
    health,
    quotes,
)


def place({post_gen_project.NOTE}
    owner_id: UUID,
    basket: Basket,
) -> OrderView: ...
"""


def test_lines_that_markers_kept_apart_are_joined() -> None:
    long = ", ".join(f"a_rather_long_name_{number}" for number in range(3))
    text = SEAMED + SEAMED.replace("health,", f"{long},\n    {long},").replace(
        "owner_id: UUID,", f"{long},"
    )

    assert post_gen_project.without_seams(text) == (
        "from app import health, quotes\n\n\n"
        "def place(owner_id: UUID, basket: Basket) -> OrderView: ...\n"
        f"from app import (\n    {long},\n    {long},\n    quotes,\n)\n\n\n"
        f"def place(\n    {long}, basket: Basket\n) -> OrderView: ...\n"
    )
