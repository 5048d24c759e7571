"""Invalid answers, given to cookiecutter itself: no file is written, and all problems are listed."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from bakery import Bakery
from combinations import questions

Refuse = Callable[..., list[str]]


class Cookies(Protocol):
    """The fixture of pytest-cookies: it runs cookiecutter, and returns the exception of a failure."""

    def bake(self, extra_context: dict[str, str], template: str) -> SimpleNamespace: ...


@pytest.fixture
def template(all_services: Bakery, tmp_path: Path) -> Path:
    return Path(shutil.copytree(all_services.template, tmp_path / "template"))


@pytest.fixture
def refuse(
    cookies: Cookies, template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Refuse:
    """Generate with invalid answers; return the listed problems."""

    def bake(**answers: str) -> list[str]:
        assert answers.keys() <= questions().keys()
        result = cookies.bake(answers, template=str(template))
        assert result.exit_code != 0
        assert result.project_path is None
        places = [
            path.relative_to(tmp_path / "cookies") for path in (tmp_path / "cookies").rglob("*")
        ]
        assert places in ([], [Path("bake00")])
        lines = capfd.readouterr().err.splitlines()
        return [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]

    return bake


def test_a_slug_that_breaks_is_refused_and_nothing_is_written(refuse: Refuse) -> None:
    assert refuse(project_slug="flask") == [
        "project_slug 'flask' is a package that the service uses: choose another name."
    ]


def test_all_problems_are_listed_at_once(refuse: Refuse) -> None:
    listed = refuse(
        project_name='"', project_slug="Not A Slug", description="a\nb", author="x" * 300
    )

    assert [sentence.split()[0] for sentence in listed] == [
        "author",
        "description",
        "project_name",
        "project_name",
        "project_slug",
    ]


def test_a_name_whose_slug_would_be_wrong_asks_for_a_slug(refuse: Refuse) -> None:
    [sentence] = refuse(project_name="Café & Co")

    assert sentence.startswith("project_slug is 'caf\\xe9-&-co': use lower-case letters")


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "\t", "\\", '"'])
def test_characters_that_break_files_are_refused(refuse: Refuse, text: str) -> None:
    [sentence] = refuse(description=f"a {text} b")

    assert sentence.startswith(f"description contains {text!a}")


def test_template_code_is_refused_though_cookiecutter_has_run_it(refuse: Refuse) -> None:
    [sentence] = refuse(description="{{ 6 * 7 }}")

    assert sentence.startswith("description contains template code")


@pytest.mark.parametrize("text", ["{{", "{{ nothing }}", "# {% if", "{{ 1 / 0 }}"])
def test_template_code_that_does_not_run_writes_nothing_either(refuse: Refuse, text: str) -> None:
    refuse(description=text)


@pytest.mark.parametrize("slug", ["", ".", "..", "../elsewhere"])
def test_a_slug_that_is_no_folder_name_writes_nothing(refuse: Refuse, slug: str) -> None:
    refuse(project_slug=slug)


def test_what_cookiecutter_leaves_of_a_slug_with_a_slash_is_named(
    cookies: Cookies, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cookies.bake({"project_slug": "1:bad/x"}, template=str(template))

    assert "cookiecutter created an empty folder '1:bad': remove it." in capfd.readouterr().err


def test_the_other_answers_are_printed_as_arguments(
    cookies: Cookies, template: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cookies.bake({"database": "none", "author": "Ada & Co"}, template=str(template))

    output = capfd.readouterr().err
    assert " author='Ada & Co' " in output
    assert "database=" not in output.partition("the other answers")[2]


def test_excluded_combinations_are_refused(refuse: Refuse) -> None:
    assert refuse(database="none") == ["auth=jwt needs database: change one of the two answers."]


def test_all_answers_that_exclude_each_other_are_listed_at_once(
    refuse: Refuse, template: Path
) -> None:
    hook = template / "hooks" / "pre_gen_project.py"
    needs = re.search("^REQUIRES = .*$", hook.read_text(), re.MULTILINE)
    assert needs
    made_up = 'REQUIRES = {"tracing": ["database", "license=MIT"]}'
    hook.write_text(hook.read_text().replace(needs.group(), made_up))

    assert refuse(tracing="yes", database="none", license="none") == [
        "tracing needs database: change one of the two answers.",
        "tracing needs license=MIT: change one of the two answers.",
    ]
