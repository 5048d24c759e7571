"""Make a service for `make service`: as cookiecutter does, but no answer is lost to a mistake.

Cookiecutter alone refuses answers after the last question and forgets them, ignores an answer to a
question that does not exist, and drops the rest of a user's defaults after one that is not a choice.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from cookiecutter import cli
from cookiecutter.config import get_user_config
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.generate import apply_overwrites_to_context, generate_context
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config
from cookiecutter.replay import load

ROOT = Path(__file__).parents[1]
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# With these options cookiecutter is left to itself: it asks nothing, or somebody looks for a fault.
OTHERWISE = (
    "checkout",
    "debug_file",
    "directory",
    "list_installed",
    "verbose",
)

sys.path.append(str(ROOT / "hooks"))

from pre_gen_project import (  # noqa: E402 - hooks are no package
    Answers,
    Problem,
    as_words,
    check_template_code,
    problems,
)


def unknown_answers(arguments: Iterable[str]) -> list[str]:
    """Return the names in `name=value` arguments that no question has."""
    names = [name for name, is_pair, _ in (a.partition("=") for a in arguments) if is_pair]
    return [name for name in names if not name.startswith("-") and name not in QUESTIONS]


def no_questions(unknown: list[str]) -> str:
    """Say which questions there are not."""
    return f"There is no question called {', '.join(unknown)}: see cookiecutter.json."


def wrong_answers(given: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with each value that is no answer to its question, by name.

    Values come from YAML or JSON, too: cookiecutter would write a list as Python does, take `0` for yes
    and let names that begin with `_` change how the template is rendered.
    """
    found = {}
    for name in given.keys() & QUESTIONS.keys():
        value, question = given[name], QUESTIONS[name]
        texts = str if not isinstance(question, bool) else (str, bool)
        if name.startswith("_"):
            found[name] = f"{name} is part of the template and no question: leave it out"
        elif isinstance(question, str) and not isinstance(value, str):
            found[name] = f"{name} is {value!r}: write a text, in quotes"
        elif isinstance(question, str) and (sentence := check_template_code(name, value)):
            found[name] = sentence.removesuffix(".")
        elif not isinstance(value, texts) or not _fits({name: value}):
            choices = question if isinstance(question, list) else ["yes", "no"]
            found[name] = f"{name} is {value!r}: choose one of {', '.join(choices)}"
    return {name: found[name] for name in given if name in found}


def _fits(answer: dict[str, Any]) -> bool:
    """Tell whether cookiecutter takes an answer to a question with choices."""
    question = json.loads(json.dumps({name: QUESTIONS[name] for name in answer}))
    try:
        apply_overwrites_to_context(question, answer)
    except ValueError:
        return False
    return True


def configured(options: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of cookiecutter that a user has.

    Raises:
        SystemExit: with every reason why it cannot be used.

    """
    head = "The user configuration of cookiecutter is wrong"
    config: dict[str, Any]
    try:
        config = get_user_config(options["config_file"], options["default_config"])
    except (AttributeError, TypeError):  # cookiecutter takes what it reads for texts
        refuse(head, ["replay_dir or cookiecutters_dir is no path: write one, or remove the line."])
        raise
    config["default_context"] = config["default_context"] or {}
    wrong = [
        f"{name} is {config[name]!r}: write `name: value` in lines below it, or remove the line."
        for name in ("default_context", "abbreviations")
        if not isinstance(config[name], dict)
    ]
    refuse(head, wrong)
    sentences = wrong_answers(config["default_context"]).values()
    refuse(head, [f"{sentence}, or remove the line." for sentence in sentences])
    return config


def replayed(options: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of an earlier run, where they are asked for.

    Raises:
        ValueError: for a file that holds none.

    """
    file = Path(options["replay_file"] or Path(config["replay_dir"], ROOT.name))
    if not (options["replay"] or options["replay_file"]):
        return {}
    answers = load(file.parent, file.name)["cookiecutter"]
    if not isinstance(answers, dict):
        message = f"{file} has no answers"
        raise ValueError(message)  # noqa: TRY004  the file is wrong, and not a caller
    return {name: each for name, each in answers.items() if not name.startswith("_")}


def refuse(head: str, sentences: Iterable[str]) -> None:
    """End with one sentence a line, if there are any.

    Raises:
        SystemExit: with all of them.

    """
    if said := "".join(f"\n  - {sentence}" for sentence in sentences):
        sys.exit(f"{head}:{said}")


class Service:
    """One service to be made: where, from which answers given already, and asking or not."""

    def __init__(self, options: dict[str, Any], unknown: list[str]) -> None:
        self.options = options
        # A shell leaves ~ alone behind OUT=, unless it is Bash.
        self.folder = Path(options["output_dir"]).expanduser()
        config = configured(options)
        self.defaults = config["default_context"]
        again = replayed(options, config)
        self.asks = not (options["no_input"] or again)
        self._take({**again, **(options["extra_context"] or {})}, unknown)

    def _take(self, given: dict[str, Any], unknown: list[str]) -> None:
        """Take the answers that are given already.

        Raises:
            SystemExit: with everything that is wrong with them and with the folder.

        """
        wrong = wrong_answers(given)
        good = {name: value for name, value in given.items() if name not in wrong}
        self.context = self._with_defaults(good)
        sentences = [f"{sentence}." for sentence in wrong.values()]
        if unknown:
            sentences.insert(0, no_questions(unknown))
        sentences += self._place_problems()
        if sentences and not self.asks:
            answers: Answers = prompt_for_config({"cookiecutter": self.context}, no_input=True)
            found = self.problems(answers)
            sentences += [each.sentence for each in found if not wrong.keys() & set(each.questions)]
        refuse("Nothing was generated", sentences)

    def _with_defaults(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the questions with this user's defaults, then with the answers given."""
        file = str(ROOT / "cookiecutter.json")
        context: dict[str, Any] = generate_context(file, self.defaults, given)["cookiecutter"]
        return context

    def _place_problems(self) -> Iterator[str]:
        """Say why nothing can be written where the service is to be."""
        there = next(
            each
            for each in (self.folder.absolute(), *self.folder.absolute().parents)
            if each.exists()
        )
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield f"{there} is no folder that can be written to: choose another one, as in OUT=folder."

    def problems(self, answers: Answers) -> Iterator[Problem]:
        """Yield every reason to refuse these answers here, before anything is written."""
        yield from problems(answers, self.context)
        place = self.folder / str(answers["project_slug"])
        keeps = self.options["overwrite_if_exists"] or self.options["skip_if_file_exists"]
        taken = os.path.lexists(place) and not (keeps and place.is_dir())
        if taken and os.path.realpath(place) != os.path.realpath(self.folder):
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
        defaults = self._with_defaults({})
        usual = {**defaults, "project_name": answers["project_name"]}
        usual = prompt_for_config({"cookiecutter": usual}, no_input=True)
        usual["project_name"] = defaults["project_name"]
        differs = {
            name: value
            for name, value in answers.items()
            if name not in again and value != usual.get(name)
        }
        kept = as_words(differs).replace("$", "$$")  # make reads it first
        quoted = shlex.quote(kept) if re.search(r'[$`!"\\]', kept) else f'"{kept}"'
        folder = shlex.quote(str(self.folder).replace("$", "$$"))
        return f"To go on with the other answers:\n  make service OUT={folder} ANSWERS={quoted}"

    def make(self) -> None:
        """Ask what is to be asked, and write the service."""
        answers = self.answers()
        kept = ("overwrite_if_exists", "skip_if_file_exists", "config_file", "default_config")
        options = {name: self.options[name] for name in kept}
        given = {name: value for name, value in answers.items() if not name.startswith("_")}
        cookiecutter(
            str(ROOT), no_input=True, extra_context=given, output_dir=self.folder, **options
        )


def run(arguments: list[str]) -> None:
    """Make a service, or say in a sentence why not.

    Raises:
        SystemExit: as cookiecutter's own command, and with every reason for a refusal.

    """
    try:
        command = cli.main.make_context("make service", list(arguments))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:  # --help and --version have been answered
        sys.exit(done.exit_code)
    unknown = unknown_answers(arguments)
    if any(command.params[option] for option in OTHERWISE):
        if unknown:
            sys.exit(no_questions(unknown))
        with command:
            cli.main.invoke(command)
        return
    try:
        Service(command.params, unknown).make()
    except (EOFError, KeyboardInterrupt):
        sys.exit("\nNothing was generated.")
    except OSError as error:
        # Cookiecutter's own say it in a sentence, those of the system in parts.
        told = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        sys.exit(f"Nothing was generated: {told}.")
    except (CookiecutterException, ValueError) as error:
        sys.exit(f"Nothing was generated: {str(error).rstrip('.')}.")


if __name__ == "__main__":
    run(sys.argv[1:])
