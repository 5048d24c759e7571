"""Check the answers before any file is written; list all problems, one sentence each.

Each rule is a function `check_…`, which returns the message for an invalid answer, or None.
"""

import json
import keyword
import re
import shlex
import sys
from collections.abc import Iterator
from typing import NamedTuple

Answers = dict[str, str | bool]
# Dependencies between answers: a condition, and the conditions that it requires. Each is a single
# term: `covering_rows` in tests/combinations.py supports no other.
REQUIRES = {"auth=jwt": ["database"], "caching": ["database"]}
# A service with the name of a package that it imports or installs would hide that package, or ask
# pip for itself. These are the distributions of the tree's pyproject.toml and the packages its code
# imports. This script cannot read them there: it runs before any file is generated, and cruft does
# not say where the template is. tests/test_hooks.py derives the names from the tree and compares.
DEPENDENCIES = """
    alembic bandit blinker boto3 celery click coverage cryptography flask flask-migrate
    flask-smorest flask-sqlalchemy flask-swagger-ui flask-wtf grimp gunicorn hypothesis import-linter
    itsdangerous jinja2 joserfc jsonschema-rs kombu limits marshmallow mypy opentelemetry
    opentelemetry-exporter-otlp-proto-http opentelemetry-sdk orjson pip-audit prometheus-client
    psycopg pwdlib pydantic pydantic-settings pymysql pytest pyyaml redis requests ruff
    schemathesis sqlalchemy standardwebhooks types-pymysql types-pyyaml types-requests
    types-wtforms types-zxcvbn uv webargs werkzeug wtforms yaml zxcvbn
"""
# Modules and folders of the service, and packages of every Python environment.
RESERVED = "app conftest docs main migrations pip python setuptools test tests wheel"
SLUG = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
JINJA = ("{" + "{", "# {" + "%", "# {" + "#")  # split, because this file is rendered too
OLDEST_PYTHON = (3, 11)
MAX_NAME_LENGTH = 64  # of project_name and project_slug
MAX_TEXT_LENGTH = 200


class Problem(NamedTuple):
    """A message with a problem and its solution, and the questions to answer again."""

    sentence: str
    questions: tuple[str, ...] = ()


# cookiecutter renders each hook alone and runs it from a temporary folder, so hooks cannot import a
# common module: `terms` and `chosen` are identical in both (tests/test_hooks.py).


def terms(condition: str) -> list[list[str]]:
    """Split a condition into its alternatives, and each of these into its terms.

    >>> terms("auth=jwt or auth=oidc and web_ui")
    [['auth=jwt'], ['auth=oidc', 'web_ui']]
    """
    return [alternative.split(" and ") for alternative in condition.split(" or ")]


def chosen(answers: Answers, condition: str) -> bool:
    """Return whether the answers meet a condition of `manifest.toml` or of `REQUIRES`.

        condition   = alternative, or several joined by " or "
        alternative = term, or several joined by " and "
        term        = question, or question=value

    A condition is met when one of its alternatives is, an alternative when each of its terms is.
    There are no brackets. `question` is met by every answer except no and none, `question=value` by
    this value only; the values of a yes-or-no question are `yes` and `no`.

    >>> answers = {"auth": "oidc", "database": "none", "tracing": False, "web_ui": True}
    >>> chosen(answers, "auth"), chosen(answers, "database"), chosen(answers, "tracing")
    (True, False, False)
    >>> chosen(answers, "auth=oidc"), chosen(answers, "auth=jwt"), chosen(answers, "database=none")
    (True, False, True)
    >>> chosen(answers, "tracing=no"), chosen(answers, "web_ui=no")
    (True, False)
    >>> chosen(answers, "auth=oidc and tracing"), chosen(answers, "auth=oidc or tracing")
    (False, True)
    >>> chosen(answers, "web_ui or auth=jwt and tracing")
    True

    Raises:
        KeyError: if a question has no answer.

    """

    def met(term: str) -> bool:
        question, _, value = term.partition("=")
        answer = answers[question]
        spelled = "yes" if answer is True else "no" if answer is False else answer
        return spelled == value if value else answer not in (False, "none")

    return any(all(map(met, alternative)) for alternative in terms(condition))


def questions_in(condition: str) -> tuple[str, ...]:
    """List the questions that a condition asks about, each once.

    >>> questions_in("auth=jwt or auth=oidc and web_ui")
    ('auth', 'web_ui')
    """
    found = (term.partition("=")[0] for alternative in terms(condition) for term in alternative)
    return tuple(dict.fromkeys(found))


def check_python_version(version: tuple[int, int]) -> str | None:
    """Require a Python that can run a service.

    >>> check_python_version((3, 11))
    >>> check_python_version((3, 10))
    'cookiecutter runs on a Python older than 3.11: install it with Python 3.11 or newer.'
    """
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return (
            f"cookiecutter runs on a Python older than {oldest}: "
            f"install it with Python {oldest} or newer."
        )
    return None


def check_type(name: str, answer: object) -> str | None:
    """Require a text or a boolean: defaults in a user's configuration can have any type.

    >>> check_type("author", "Ada"), check_type("tracing", True)
    (None, None)
    >>> check_type("author", ["Ada", "Grace"])
    "author is ['Ada', 'Grace']: enter one text, or yes or no."
    """
    if not isinstance(answer, str | bool):
        return f"{name} is {answer!r}: enter one text, or yes or no."
    return None


def check_surrounding_whitespace(name: str, text: str) -> str | None:
    """Refuse leading and trailing whitespace.

    >>> check_surrounding_whitespace("author", "Ada Lovelace")
    >>> check_surrounding_whitespace("author", " Ada")
    'author begins or ends with whitespace: remove it.'
    """
    if text != text.strip():
        return f"{name} begins or ends with whitespace: remove it."
    return None


def check_length(name: str, text: str) -> str | None:
    """Limit the length of a text, in characters.

    >>> check_length("description", "Takes orders.")
    >>> check_length("description", "x" * 201)
    'description has 201 characters: use at most 200.'
    >>> check_length("project_name", "x" * 65)
    'project_name has 65 characters: use at most 64.'
    """
    is_name = name in {"project_name", "project_slug"}
    limit = MAX_NAME_LENGTH if is_name else MAX_TEXT_LENGTH
    if len(text) > limit:
        return f"{name} has {len(text)} characters: use at most {limit}."
    return None


def check_characters(name: str, text: str) -> str | None:
    r"""Refuse characters that end a string or a line in a file of the service.

    >>> check_characters("author", "Zoë & Sons' #1")
    >>> check_characters("author", 'The "A" Team')
    'author contains \'"\': remove it.'
    """
    if refused := sorted({c for c in text if c in '"\\' or not c.isprintable()}):
        return f"{name} contains {', '.join(map(ascii, refused))}: remove {'it' if len(refused) == 1 else 'them'}."
    return None


def check_template_code(name: str, text: str) -> str | None:
    """Refuse Jinja code, because cookiecutter renders answers.

    >>> check_template_code("author", "{Ada}")
    >>> check_template_code("author", "{" + "{ 6 * 7 }")  # doctest: +ELLIPSIS
    'author contains template code (...): remove it.'
    """
    if any(mark in text for mark in JINJA):
        return f"{name} contains template code ({' or '.join(JINJA)}): remove it."
    return None


def check_first_character(name: str) -> str | None:
    """Require a project_name that begins with a letter or a digit.

    >>> check_first_character("Order Service"), check_first_character("3D Prints")
    (None, None)
    >>> check_first_character("-")
    'project_name does not begin with a letter or a digit: enter a name that does.'
    """
    if not name[:1].isalnum():
        return "project_name does not begin with a letter or a digit: enter a name that does."
    return None


def check_slug_format(slug: str) -> str | None:
    """Require a slug that can name a folder, an image and a distribution.

    >>> check_slug_format("order-service"), check_slug_format("orders_2")
    (None, None)
    >>> check_slug_format("Order Service")
    "project_slug is 'Order Service': use lower-case letters and digits, beginning with a letter, with single - or _ between."
    """
    if not SLUG.fullmatch(slug):
        advice = "use lower-case letters and digits, beginning with a letter, with single - or _ between."
        return f"project_slug is {slug!a}: {advice}"
    return None


def check_python_name(slug: str) -> str | None:
    """Refuse modules of the standard library and keywords of Python.

    >>> check_python_name("calendars")
    >>> check_python_name("calendar")
    "project_slug 'calendar' is a module or keyword of Python: choose another name."
    """
    module = slug.replace("-", "_")
    if module in sys.stdlib_module_names or keyword.iskeyword(module):
        return f"project_slug {slug!a} is a module or keyword of Python: choose another name."
    return None


def check_package_name(slug: str) -> str | None:
    """Refuse names of packages that a service uses; - and _ are equal (PEP 503).

    >>> check_package_name("flask-orders")
    >>> check_package_name("flask")
    "project_slug 'flask' is a package that the service uses: choose another name."
    """
    if slug.replace("_", "-") in {*DEPENDENCIES.split(), *RESERVED.split()}:
        return f"project_slug {slug!a} is a package that the service uses: choose another name."
    return None


def check_requirement(answers: Answers, condition: str, needed: str) -> str | None:
    """Refuse answers that meet a condition without the one that it requires.

    >>> check_requirement({"auth": "oidc", "database": "none"}, "auth=jwt", "database")
    >>> check_requirement({"auth": "jwt", "database": "none"}, "auth=jwt", "database")
    'auth=jwt needs database: change one of the two answers.'
    """
    if chosen(answers, condition) and not chosen(answers, needed):
        return f"{condition} needs {needed}: change one of the two answers."
    return None


TEXT_RULES = (check_surrounding_whitespace, check_length, check_characters)
# Only the first problem of a slug is reported: later rules require a valid format.
SLUG_RULES = (check_slug_format, check_python_name, check_package_name)


def text_problems(name: str, text: str, typed: str) -> Iterator[str]:
    """Yield the problems of a text; `typed` is the text before cookiecutter rendered it.

    >>> list(text_problems("author", "42 ", "{" + "{ 6 * 7 }} "))  # doctest: +ELLIPSIS
    ['author begins or ends with whitespace: ...', 'author contains template code ...']
    """
    yield from filter(None, (rule(name, text) for rule in TEXT_RULES))
    if sentence := check_template_code(name, text) or check_template_code(name, typed):
        yield sentence


def answer_problems(name: str, answer: object, typed: str) -> Iterator[str]:
    """Yield the problems of one answer by the rules for all questions."""
    if sentence := check_type(name, answer):
        yield sentence
    elif isinstance(answer, str):
        yield from text_problems(name, answer, typed)


def requirement_problems(answers: Answers) -> Iterator[Problem]:
    """Yield the answers that `REQUIRES` does not allow together."""
    for condition, needs in REQUIRES.items():
        for needed in needs:
            if sentence := check_requirement(answers, condition, needed):
                yield Problem(sentence, (*questions_in(condition), *questions_in(needed)))


def problems(answers: Answers, typed: Answers) -> Iterator[Problem]:
    """Yield all problems of the answers.

    `typed` has the answers before cookiecutter rendered them, if they are known.
    """
    if sentence := check_python_version(sys.version_info[:2]):
        yield Problem(sentence)
    # Names such as _template are not answers.
    for name in (each for each in answers if not each.startswith("_")):
        # The default slug is template code; the format of a typed one is checked below.
        before = "" if name == "project_slug" else str(typed.get(name, ""))
        for sentence in answer_problems(name, answers[name], before):
            yield Problem(sentence, (name,))
    if sentence := check_first_character(str(answers["project_name"])):
        yield Problem(sentence, ("project_name",))
    slug = str(answers["project_slug"])
    if sentence := next(filter(None, (rule(slug) for rule in SLUG_RULES)), None):
        yield Problem(sentence, ("project_slug",))
    yield from requirement_problems(answers)


def as_arguments(answers: Answers) -> str:
    """Format answers as arguments of a command.

    >>> as_arguments({"author": "Ada & Co", "tracing": False, "_template": "."})
    "author='Ada & Co' tracing=no"
    """
    spelled = {"True": "yes", "False": "no"}
    texts = {name: str(value) for name, value in answers.items() if not name.startswith("_")}
    return " ".join(
        f"{name}={shlex.quote(spelled.get(each, each))}" for name, each in texts.items()
    )


def refusal(found: list[Problem], answers: Answers) -> str:
    """Format the error message: all problems, and the valid answers as arguments.

    >>> found = [Problem("author is empty: write one.", ("author",))]
    >>> print(refusal(found, {"project_slug": "orders", "author": ""}))
    Nothing was generated:
      - author is empty: write one.
    To keep the other answers, add these arguments: project_slug=orders
    <BLANKLINE>
    """
    lines = "".join(f"\n  - {problem.sentence}" for problem in found)
    refused = {name for problem in found for name in problem.questions}
    kept = as_arguments({name: each for name, each in answers.items() if name not in refused})
    if "/" in (slug := str(answers["project_slug"])):
        kept += f"\ncookiecutter created an empty folder {slug.partition('/')[0]!a}: remove it."
    return (
        f"Nothing was generated:{lines}\nTo keep the other answers, add these arguments: {kept}\n"
    )


if __name__ == "__main__":
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    typed = json.loads(r"""{{ _cookiecutter | default({}) | jsonify }}""")  # empty under cruft
    if found := list(problems(answers, typed)):
        sys.exit(refusal(found, answers))
