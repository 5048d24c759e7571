"""Refuse answers that would not become a working service: all problems at once, one sentence each."""

import json
import keyword
import re
import shlex
import sys
from collections.abc import Iterator
from typing import NamedTuple

Answers = dict[str, str | bool]
# An answer ("auth=jwt", or "kubernetes" for anything but no or none) and the answers it needs.
REQUIRES = {"auth=jwt": ["database"], "caching": ["database"]}
# A service named like a package it imports or installs would hide it, or ask pip for itself.
TAKEN = """
    app conftest docs main migrations pip python setuptools test tests uv wheel alembic bandit boto3 celery click
    coverage cryptography flask flask-migrate flask-smorest flask-sqlalchemy flask-swagger-ui flask-wtf gunicorn
    import-linter itsdangerous jinja2 joserfc jsonschema-rs limits marshmallow mypy
    opentelemetry-exporter-otlp-proto-http opentelemetry-sdk orjson pip-audit prometheus-client psycopg pwdlib
    pydantic pydantic-settings pymysql pytest pyyaml redis requests ruff schemathesis sqlalchemy standardwebhooks
    types-gunicorn types-pymysql types-pyyaml types-requests types-wtforms types-zxcvbn werkzeug zxcvbn
"""
SLUG = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
JINJA = ("{" + "{", "# {" + "%", "# {" + "#")  # in two parts: this file is a template too


class Problem(NamedTuple):
    """One sentence that says what is wrong and what to do, and the questions to answer again."""

    sentence: str
    questions: tuple[str, ...] = ()


def chosen(answers: Answers, key: str) -> bool:
    """Tell whether "tracing" (anything but no or none) or "database=mysql" was answered."""
    name, _, value = key.partition("=")
    return answers[name] == value if value else answers[name] not in (False, "none")


def text_problems(name: str, text: str, typed: str) -> Iterator[str]:
    """Say what makes a text unfit; `typed` is the answer before cookiecutter rendered it."""
    if text != text.strip():
        yield f"{name} begins or ends with a blank: take the blanks away."
    if len(text) > (limit := 64 if name in {"project_name", "project_slug"} else 200):
        yield f"{name} has {len(text)} characters: use at most {limit}."
    if refused := sorted({c for c in text if c in '"\\' or not c.isprintable()}):
        yield f"{name} contains {', '.join(map(ascii, refused))}: leave that out."
    if any(mark in text or mark in typed for mark in JINJA):
        yield f"{name} contains template code ({' or '.join(JINJA)}): leave that out."


def slug_problems(slug: str) -> Iterator[str]:
    """Say what makes a slug unfit as the name of a folder, an image and a package."""
    plain = re.sub(r"[-_.]+", "-", slug)  # as pip does (PEP 503)
    if not SLUG.fullmatch(slug):
        yield f"project_slug is {slug!a}: use lower-case letters, digits, and single - or _ between."
    elif plain.replace("-", "_") in sys.stdlib_module_names or keyword.iskeyword(plain):
        yield f"project_slug {slug!a} is a name of Python itself: choose another one."
    elif plain in TAKEN.split():
        yield f"project_slug {slug!a} is a package the service needs: choose another one."


def problems(answers: Answers, typed: Answers) -> Iterator[Problem]:
    """Yield every reason to refuse these answers."""
    if sys.version_info < (3, 11):  # noqa: UP036 - cookiecutter itself runs on older ones
        yield Problem("cookiecutter runs on a Python older than 3.11: install it into a newer one.")
    given: dict[str, object] = {**answers}
    for name, text in given.items():
        if name.startswith("_"):
            continue
        if not isinstance(text, str | bool):  # a default of a user's configuration
            yield Problem(f"{name} is {text!r}: answer with one text, or yes or no.", (name,))
        elif isinstance(text, str):
            # The default slug is template code of ours; a typed one must look like a slug anyway.
            before = str(typed.get(name)) * (name != "project_slug")
            yield from (Problem(each, (name,)) for each in text_problems(name, text, before))
    if not str(answers["project_name"])[:1].isalnum():
        sentence = "project_name must begin with an email or a digit: give the service a name."
        yield Problem(sentence, ("project_name",))
    slugs = slug_problems(str(answers["project_slug"]))
    yield from (Problem(each, ("project_slug",)) for each in slugs)
    for key, need in ((key, need) for key, needs in REQUIRES.items() for need in needs):
        if chosen(answers, key) and not chosen(answers, need):
            asked = (key.partition("=")[0], need.partition("=")[0])
            yield Problem(f"{key} needs {need}: change one of the two answers.", asked)


def as_words(answers: Answers) -> str:
    """Write answers as words of a command, so that nobody has to type them again."""
    words = {"True": "yes", "False": "no"}
    texts = {name: str(value) for name, value in answers.items() if not name.startswith("_")}
    return " ".join(f"{name}={shlex.quote(words.get(each, each))}" for name, each in texts.items())


if __name__ == "__main__":
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    typed = json.loads(r"""{{ _cookiecutter | default({}) | jsonify }}""")  # cruft has none
    if found := list(problems(answers, typed)):
        said = "".join(f"\n  - {problem.sentence}" for problem in found)
        refused = {name for problem in found for name in problem.questions}
        kept = as_words({name: each for name, each in answers.items() if name not in refused})
        if "/" in (slug := str(answers["project_slug"])):
            kept += f"\ncookiecutter leaves an empty folder {slug.partition('/')[0]!a}: remove it."
        sys.exit(f"Nothing was generated:{said}\nThe other answers, to give them again: {kept}\n")
