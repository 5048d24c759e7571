"""Make a service for `make service`: as cookiecutter does, but no answer is lost to a mistake.

Cookiecutter alone refuses answers after the last question and forgets them, ignores an answer to a
question that does not exist, and drops the rest of a user's defaults after one that is not a choice.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from cookiecutter import cli
from cookiecutter.config import get_user_config
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.generate import apply_overwrites_to_context, generate_context
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config

ROOT = Path(__file__).parents[1]
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# With these options cookiecutter is left to itself: it asks nothing, or somebody looks for a fault.
OTHERWISE = (
    "checkout",
    "debug_file",
    "directory",
    "list_installed",
    "replay",
    "replay_file",
    "verbose",
)

sys.path.append(str(ROOT / "hooks"))

from pre_gen_project import JINJA, Answers, Problem, as_words, problems  # noqa: E402 - hooks are no package


def unknown_answers(arguments: Iterable[str]) -> list[str]:
    """Return the names in `name=value` arguments that no question has."""
    names = [name for name, is_pair, _ in (a.partition("=") for a in arguments) if is_pair]
    return [name for name in names if not name.startswith("-") and name not in QUESTIONS]


def default_problems(defaults: dict[str, Any]) -> Iterator[str]:
    """Say which defaults in a user's configuration are no answer to their question."""
    for name, value in defaults.items():
        question = json.loads(json.dumps({name: QUESTIONS.get(name)}))
        try:
            apply_overwrites_to_context(question, {name: value})
        except (TypeError, ValueError):
            choices = QUESTIONS[name] if isinstance(QUESTIONS[name], list) else ["yes", "no"]
            yield f"{name} is {value!r}: choose one of {', '.join(choices)}, or remove the line."


def template_code(given: dict[str, Any]) -> Iterator[str]:
    """Say which texts would be run as template code: cookiecutter renders what it is given."""
    for name, text in given.items():
        if name in QUESTIONS and isinstance(text, str) and any(mark in text for mark in JINJA):
            yield f"{name} contains template code ({' or '.join(JINJA)}): leave that out."


def refuse(head: str, sentences: Iterable[str]) -> None:
    """End with one sentence a line, if there are any.

    Raises:
        SystemExit: with all of them.

    """
    if said := "".join(f"\n  - {sentence}" for sentence in sentences):
        sys.exit(f"{head}:{said}")


class Service:
    """One service to be made: where, from which answers given already, and asking or not."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.folder = Path(options["output_dir"])
        self.asks = not options["no_input"]
        config = get_user_config(options["config_file"], options["default_config"])
        defaults: dict[str, Any] = config["default_context"]
        wrong = [*default_problems(defaults), *template_code(defaults)]
        refuse("The user configuration of cookiecutter is wrong", wrong)
        given: dict[str, str] = options["extra_context"] or {}
        refuse("Nothing was generated", template_code(given))
        self.context = generate_context(str(ROOT / "cookiecutter.json"), defaults, given)[
            "cookiecutter"
        ]

    def problems(self, answers: Answers) -> Iterator[Problem]:
        """Yield every reason to refuse these answers here, before anything is written."""
        yield from problems(answers, self.context)
        place = self.folder / str(answers["project_slug"])
        keeps = self.options["overwrite_if_exists"] or self.options["skip_if_file_exists"]
        if place.exists() and place.resolve() != self.folder.resolve() and not keeps:
            sentence = f"{place} exists already: choose another project_slug, or another folder."
            yield Problem(sentence, ("project_slug",))

    def answers(self) -> Answers:
        """Ask, and ask again only what is refused.

        Raises:
            SystemExit: where nobody can be asked, with every reason.

        """
        answers: Answers = prompt_for_config({"cookiecutter": self.context}, not self.asks)
        while found := list(self.problems(answers)):
            sentences = [problem.sentence for problem in found]
            again = {name for problem in found for name in problem.questions}
            if not self.asks or not again:
                refuse("Nothing was generated", sentences)
            print("\nThat does not fit together yet. Every other answer is kept.")
            print("\n".join(f"  - {sentence}" for sentence in sentences))
            try:
                answers |= self._asked_again(answers, again)
            except (EOFError, KeyboardInterrupt):
                sys.exit(f"\nNothing was generated. {self._repeated(answers, again)}")
        return answers

    def _asked_again(self, answers: Answers, names: set[str]) -> Answers:
        """Ask these questions once more, with the last answer as default."""
        questions = {name: self.context[name] for name in answers if name in names}
        for name, question in questions.items():
            last = answers[name]
            if isinstance(question, list):
                questions[name] = [last, *(each for each in question if each != last)]
            elif name != "project_slug" or "project_name" not in names:
                questions[name] = "" if "{" in str(last) else last  # a default is a template
        asked = {**questions, "__prompts__": QUESTIONS["__prompts__"]}
        again: Answers = prompt_for_config({"cookiecutter": asked})
        return again

    def _repeated(self, answers: Answers, again: set[str]) -> str:
        """Say which command asks again with these answers as defaults."""
        # The usual slug is made from the name.
        usual = {**QUESTIONS, "project_name": answers["project_name"]}
        usual = prompt_for_config({"cookiecutter": usual}, no_input=True)
        usual["project_name"] = QUESTIONS["project_name"]
        differs = {
            name: value
            for name, value in answers.items()
            if name not in again and value != usual.get(name)
        }
        kept = as_words(differs).replace("$", "$$")  # make reads it first
        quoted = shlex.quote(kept) if re.search(r'[$`!"\\]', kept) else f'"{kept}"'
        return (
            f"To go on with the other answers:\n  make service OUT={self.folder} ANSWERS={quoted}"
        )

    def make(self) -> None:
        """Ask what is to be asked, and write the service."""
        answers = self.answers()
        kept = ("overwrite_if_exists", "skip_if_file_exists", "output_dir", "config_file")
        options = {name: self.options[name] for name in (*kept, "default_config")}
        given = {name: value for name, value in answers.items() if not name.startswith("_")}
        cookiecutter(str(ROOT), no_input=True, extra_context=given, **options)


def run(arguments: list[str]) -> None:
    """Make a service, or say in a sentence why not.

    Raises:
        SystemExit: as cookiecutter's own command, and with every reason for a refusal.

    """
    if unknown := unknown_answers(arguments):
        sys.exit(f"There is no question called {', '.join(unknown)}: see cookiecutter.json.")
    try:
        command = cli.main.make_context("make service", list(arguments))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:  # --help and --version have been answered
        sys.exit(done.exit_code)
    if any(command.params[option] for option in OTHERWISE):
        with command:
            cli.main.invoke(command)
        return
    try:
        Service(command.params).make()
    except (EOFError, KeyboardInterrupt):
        sys.exit("\nNothing was generated.")
    except (CookiecutterException, ValueError) as error:
        sys.exit(f"Nothing was generated: {str(error).rstrip('.')}.")


if __name__ == "__main__":
    run(sys.argv[1:])
