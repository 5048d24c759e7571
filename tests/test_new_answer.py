"""A new answer is added to a copy of the template by the steps of CONTRIBUTING.md and no others.

The answer is `sunset`: one module, one setting, one page. Each step is a function here; the numbers and titles
in CONTRIBUTING.md are held equal to them. Delete this module when the template takes no more answers.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter.exceptions import UndefinedVariableInTemplate

import checks
from bakery import Bakery, FailedCheckError
from combinations import ROOT, TREE, Answers, choices, questions
from test_security_page import NAMED

SMALLEST: Answers = {
    name: False if False in values else "none" for name, values in choices().items()
}
WITH = SMALLEST | {"sunset": True}
WITHOUT = SMALLEST | {"sunset": False}

MODULE = '''\
"""When the API ends: its responses say so in the header Sunset (RFC 8594)."""

from typing import Annotated

from flask import Flask, Response, request
from pydantic import AfterValidator, AwareDatetime, Field
from werkzeug.http import http_date

from app.core.config import CoreSettings, required_in_production


class SunsetSettings(CoreSettings):
    """Sunset header."""

    api_sunset: Annotated[AwareDatetime | None, AfterValidator(required_in_production)] = Field(
        default=None, validate_default=True
    )
    """The date from which the API may no longer answer, with a time zone."""


def init_app(app: Flask, settings: SunsetSettings) -> None:
    """Send the header with each response of the API, once a date is set."""
    if settings.api_sunset is None:
        return
    date = http_date(settings.api_sunset)

    def add_sunset(response: Response) -> Response:
        if request.path.startswith("/api/"):
            response.headers["Sunset"] = date
        return response

    app.after_request(add_sunset)
'''
TESTS = """\
import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError

from app.settings import Settings
from conftest import MakeApp


def test_responses_of_the_api_say_when_it_ends(make_app: MakeApp) -> None:
    client = make_app(api_sunset="2027-12-31T23:59:59Z").test_client()

    answer = client.get("/api/openapi.json")
    assert answer.headers["Sunset"] == "Fri, 31 Dec 2027 23:59:59 GMT"
    assert "Sunset" not in client.get("/health/live").headers


def test_without_a_date_no_response_says_so(client: FlaskClient) -> None:
    assert "Sunset" not in client.get("/api/openapi.json").headers


def test_production_needs_a_date(production: dict[str, str]) -> None:
    del production["api_sunset"]

    with pytest.raises(ValidationError, match="is required in production"):
        Settings.model_validate(production)
"""
PAGE = """\
# The end of the API

Each response below `/api` has the header `Sunset` (RFC 8594) with the date of `API_SUNSET`. It is required in
production, and unset elsewhere sends no header.
"""


def marked(text: str, indent: str = "") -> str:
    """Wrap lines in the markers of the answer."""
    return f"{indent}# {{% if cookiecutter.sunset %}}\n{text}{indent}# {{% endif %}}\n"


def insert(file: Path, before: str, text: str) -> None:
    """Insert lines before the only line of a file that begins with this text."""
    lines = file.read_text().splitlines(keepends=True)
    [place] = [number for number, line in enumerate(lines) if line.startswith(before)]
    file.write_text("".join([*lines[:place], text, *lines[place:]]))


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def ask_the_question(template: Path) -> None:
    file = template / "cookiecutter.json"
    insert(file, '  "background_tasks": ', '  "sunset": false,\n')
    insert(file, '    "background_tasks": ', '    "sunset": "Announce when the API ends?",\n')


def write_the_module(template: Path) -> None:
    (template / TREE.name / "app/core/http/sunset.py").write_text(MODULE)


def join_it_in_the_face(template: Path) -> None:
    face = template / TREE.name / "app/core/http/__init__.py"
    text = face.read_text()
    for neighbour, line in (
        ("    security,\n", "    sunset,\n"),
        ("    security.SecuritySettings,\n", "    sunset.SunsetSettings,\n"),
        ("    security.init_app(app, settings)\n", "    sunset.init_app(app, settings)\n"),
    ):
        assert text.count(neighbour) == 1, neighbour
        text = text.replace(neighbour, neighbour + marked(line, "    "))
    face.write_text(text)


def mirror_the_module_by_a_test(template: Path) -> None:
    (template / TREE.name / "tests/core/http/test_sunset.py").write_text(TESTS)


def list_its_paths_in_the_manifest(template: Path) -> None:
    paths = '"sunset" = [\n    "app/core/http/sunset.py",\n    "docs/sunset.md",\n]\n'
    insert(template / TREE.name / "manifest.toml", '"tracing" = ', paths)


def describe_its_settings(template: Path) -> None:
    tree = template / TREE.name
    sentence = "The date from which the API may no longer answer, with a time zone."
    variable = f"## Sunset header\n\n# {sentence} Required in production.\n#API_SUNSET=\n\n"
    insert(tree / ".env.example", "## API document", marked(variable))
    head = "| name | default | meaning |\n|---|---|---|\n"
    row = f"## Sunset header\n\n{head}| `API_SUNSET` | required in production | {sentence} |\n\n"
    insert(tree / "docs/settings.md", "## API document", marked(row))


def tell_the_tests_what_production_needs(template: Path) -> None:
    value = '    "api_sunset": "2027-12-31T23:59:59Z",\n'
    file = template / TREE.name / "tests/environments.py"
    insert(file, '    "secret_key": ', marked(value, "    "))


def write_its_page(template: Path) -> None:
    (template / TREE.name / "docs/sunset.md").write_text(PAGE)
    link = "\nResponses also say [when the API ends](sunset.md).\n"
    append(template / TREE.name / "docs/requests.md", marked(link))


def answer_the_security_page(template: Path) -> None:
    shown = "`tests/core/http/test_sunset.py::test_responses_of_the_api_say_when_it_ends`"
    row = f"| | | a response says when its version ends | {shown} |\n"
    insert(template / TREE.name / "docs/security.md", "| 4.1.2 |", marked(row))


def tell_users(template: Path) -> None:
    insert(template / "README.md", "| `background_tasks` |", "| `sunset` | no, yes | |\n")
    changelog = template / "CHANGELOG.md"
    before, heading, after = changelog.read_text().partition("## Unreleased\n\n")
    assert heading
    news = "- The answer `sunset` announces when the API ends.\n"
    changelog.write_text(f"{before}{heading}{news}{after}")


def note_the_decision(template: Path) -> None:
    entry = "**2026-11-29 · The end of the API is a header.** RFC 8594.\n\n"
    insert(template / "docs/decisions.md", "## Proxies, addresses and rate limits", entry)


STEPS: dict[str, Callable[[Path], None]] = {
    "Ask the question": ask_the_question,
    "Write the module": write_the_module,
    "Join it in the face": join_it_in_the_face,
    "Test it in the mirrored place": mirror_the_module_by_a_test,
    "List its paths in the manifest": list_its_paths_in_the_manifest,
    "Describe its settings": describe_its_settings,
    "Tell the tests what production needs": tell_the_tests_what_production_needs,
    "Write its page": write_its_page,
    "Answer the security page": answer_the_security_page,
    "Tell users": tell_users,
    "Note the decision": note_the_decision,
}
PROOF = "Lock, lint and test"  # the last step: here the tests below
STEP = re.compile(r"^(\d+)\. \*\*(.+?)\*\*", re.MULTILINE)


def with_steps(bakery: Bakery, folder: Path, left_out: str = "") -> Path:
    """Copy the template and apply all steps, or all but one."""
    template = Path(shutil.copytree(bakery.template, folder / "template"))
    for title, step in STEPS.items():
        if title != left_out:
            step(template)
    return template


def contents(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in checks.files(project)}


def run_tests(bakery: Bakery, project: Path, *files: str) -> None:
    """Run some files of a service's own tests with what it pins."""
    arguments = ["-m", checks.CHEAP, *files]
    bakery.run(bakery.job("suite", project, "requirements-dev.txt", arguments=arguments))


@pytest.fixture(scope="module")
def template(all_services: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_steps(all_services, tmp_path_factory.mktemp("new-answer"))


def test_the_steps_are_those_of_contributing() -> None:
    _, _, rest = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Add an answer\n")
    section = rest.partition("\n## ")[0]

    assert STEP.findall(section) == [
        (str(number), title) for number, title in enumerate([*STEPS, PROOF], 1)
    ]


def test_a_service_with_the_answer_passes_every_check(bakery: Bakery, template: Path) -> None:
    project = bakery.bake(WITH, template)

    checks.no_trace_of_jinja(project)
    checks.nothing_empty(project)
    checks.nothing_dead(project)
    checks.links_lead_somewhere(project)
    checks.linted_and_formatted(bakery, project)
    checks.layered(bakery, project)
    checks.typed(bakery, project)
    checks.starts(bakery, project)
    run_tests(
        bakery,
        project,
        "tests/core/http/test_sunset.py",
        "tests/core/process/test_reference.py",
        "tests/test_env_example.py",
        "tests/test_settings.py",
    )
    page = (project / "docs/security.md").read_text()
    [(path, name)] = [found for found in NAMED.findall(page) if "sunset" in found[0]]
    assert f"def {name}(" in (project / path).read_text()


def test_a_service_without_the_answer_has_no_trace_of_it(bakery: Bakery, template: Path) -> None:
    project = bakery.bake(WITHOUT, template)
    without = contents(project)

    checks.linted_and_formatted(bakery, project)
    checks.layered(bakery, project)
    checks.typed(bakery, project, with_tests=False)
    assert [path for path, text in without.items() if "sunset" in f"{path} {text!r}".lower()] == []
    # The same files as without the answer in the template, whose tests run elsewhere.
    assert without == contents(bakery.bake(SMALLEST))


def test_the_tree_stays_a_service(bakery: Bakery, template: Path) -> None:
    checks.linted_and_formatted(bakery, template / TREE.name)


def left_without_a_question(bakery: Bakery, template: Path) -> None:
    try:
        bakery.bake(WITH, template)
    except UndefinedVariableInTemplate as failure:
        raise FailedCheckError(str(failure.error)) from failure


def left_over(bakery: Bakery, template: Path) -> None:
    added = contents(bakery.bake(WITHOUT, template)).keys() - contents(bakery.bake(SMALLEST)).keys()
    checks.fail_for(sorted(added))


def dead(bakery: Bakery, template: Path) -> None:
    checks.nothing_dead(bakery.bake(WITH, template))


def undescribed(bakery: Bakery, template: Path) -> None:
    run_tests(bakery, bakery.bake(WITH, template), "tests/core/process/test_reference.py")


def incomplete(bakery: Bakery, template: Path) -> None:
    run_tests(bakery, bakery.bake(WITH, template), "tests/test_settings.py")


DETECTED: dict[str, tuple[Callable[[Bakery, Path], None], str]] = {
    "Ask the question": (left_without_a_question, "has no attribute 'sunset'"),
    "Join it in the face": (dead, "app/core/http/sunset.py is imported by nothing"),
    "List its paths in the manifest": (left_over, "app/core/http/sunset.py"),
    "Describe its settings": (undescribed, "test_the_generated_pages_match_the_code"),
    "Tell the tests what production needs": (
        incomplete,
        "test_a_complete_production_environment_is_taken",
    ),
}


@pytest.mark.parametrize("title", DETECTED)
def test_a_step_that_is_left_out_is_noticed(bakery: Bakery, tmp_path: Path, title: str) -> None:
    template = with_steps(bakery, tmp_path, left_out=title)
    check, message = DETECTED[title]

    with pytest.raises(FailedCheckError) as failure:
        check(bakery, template)
    assert message in str(failure.value)


def test_the_readme_lists_every_question() -> None:
    _, _, rest = (ROOT / "README.md").read_text().partition("\n## The questions\n")
    table = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]

    assert re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table)) == [
        name for name in questions() if not name.startswith("_")
    ]
