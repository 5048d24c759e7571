"""Generate a service for `make service`: like cookiecutter, but an invalid answer does not lose the others.

Cookiecutter alone checks answers after the last question and discards them, ignores an answer to a
question that does not exist, and ignores all defaults of a user after an invalid one.
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

import origin

ROOT = Path(__file__).parents[1]
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# With these options cookiecutter itself runs: they list templates, or help to debug one.
PASSED_THROUGH = (
    "checkout",
    "debug_file",
    "directory",
    "list_installed",
    "verbose",
)

sys.path.append(str(ROOT / "hooks"))

from pre_gen_project import (  # noqa: E402 - needs the path above
    Answers,
    Problem,
    as_arguments,
    check_template_code,
    problems,
)


def unknown_answers(arguments: Iterable[str]) -> list[str]:
    """Return the names in `name=value` arguments that are no questions."""
    names = [name for name, is_pair, _ in (a.partition("=") for a in arguments) if is_pair]
    return [name for name in names if not name.startswith("-") and name not in QUESTIONS]


def unknown_message(unknown: list[str]) -> str:
    """Format the message for unknown questions."""
    return (
        f"There is no question named {', '.join(unknown)}: cookiecutter.json lists the questions."
    )


def invalid_answers(given: Mapping[str, Any]) -> dict[str, str]:
    """Return a message for each value that is not a valid answer to its question, by name.

    Values also come from YAML or JSON: cookiecutter would render a list in Python's notation, take `0` for
    yes, and let names that begin with `_` change how the template is rendered.
    """
    found = {}
    for name in given.keys() & QUESTIONS.keys():
        value, question = given[name], QUESTIONS[name]
        texts = str if not isinstance(question, bool) else (str, bool)
        if name.startswith("_"):
            found[name] = f"{name} is a setting of the template, not a question: remove it"
        elif isinstance(question, str) and not isinstance(value, str):
            found[name] = f"{name} is {value!r}: enter a text in quotes"
        elif isinstance(question, str) and (sentence := check_template_code(name, value)):
            found[name] = sentence.removesuffix(".")
        elif not isinstance(value, texts) or not _fits({name: value}):
            choices = question if isinstance(question, list) else ["yes", "no"]
            found[name] = f"{name} is {value!r}: choose one of {', '.join(choices)}"
    return {name: found[name] for name in given if name in found}


def _fits(answer: dict[str, Any]) -> bool:
    """Return whether cookiecutter accepts an answer to a question with choices."""
    question = json.loads(json.dumps({name: QUESTIONS[name] for name in answer}))
    try:
        apply_overwrites_to_context(question, answer)
    except ValueError:
        return False
    return True


def user_configuration(options: dict[str, Any]) -> dict[str, Any]:
    """Return the user's configuration of cookiecutter.

    Raises:
        SystemExit: with all its problems.

    """
    head = "The user configuration of cookiecutter is invalid"
    config: dict[str, Any]
    try:
        config = get_user_config(options["config_file"], options["default_config"])
    except (AttributeError, TypeError):  # cookiecutter expects texts
        refuse(
            head,
            ["replay_dir or cookiecutters_dir is not a path: enter a path, or remove the line."],
        )
        raise
    config["default_context"] = config["default_context"] or {}
    messages = [
        f"{name} is {config[name]!r}: enter `name: value` in lines below it, or remove the line."
        for name in ("default_context", "abbreviations")
        if not isinstance(config[name], dict)
    ]
    refuse(head, messages)
    sentences = invalid_answers(config["default_context"]).values()
    refuse(head, [f"{sentence}, or remove the line." for sentence in sentences])
    return config


def replayed_answers(options: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of an earlier run if an option requests them.

    Raises:
        ValueError: if the file has no answers.

    """
    file = Path(options["replay_file"] or Path(config["replay_dir"], ROOT.name))
    if not (options["replay"] or options["replay_file"]):
        return {}
    answers = load(file.parent, file.name)["cookiecutter"]
    if not isinstance(answers, dict):
        message = f"{file} contains no answers"
        raise ValueError(message)  # noqa: TRY004  the content of a file is invalid
    return {name: each for name, each in answers.items() if not name.startswith("_")}


def refuse(head: str, sentences: Iterable[str]) -> None:
    """Exit with these messages, one a line, if there are any.

    Raises:
        SystemExit: with all messages.

    """
    if lines := "".join(f"\n  - {sentence}" for sentence in sentences):
        sys.exit(f"{head}:{lines}")


class Service:
    """The generation of one service: its folder, its answers, and whether questions are asked."""

    def __init__(self, options: dict[str, Any], unknown: list[str]) -> None:
        self.options = options
        # Shells other than Bash do not expand ~ after OUT=.
        self.folder = Path(options["output_dir"]).expanduser()
        config = user_configuration(options)
        self.defaults = config["default_context"]
        again = replayed_answers(options, config)
        self.interactive = not (options["no_input"] or again)
        self._set_given({**again, **(options["extra_context"] or {})}, unknown)

    def _set_given(self, given: dict[str, Any], unknown: list[str]) -> None:
        """Set the answers given as arguments or by an earlier run.

        Raises:
            SystemExit: with all problems of the answers and of the folder.

        """
        invalid = invalid_answers(given)
        valid = {name: value for name, value in given.items() if name not in invalid}
        self.context = self._with_defaults(valid)
        sentences = [f"{sentence}." for sentence in invalid.values()]
        if unknown:
            sentences.insert(0, unknown_message(unknown))
        sentences += self._folder_problems()
        if sentences and not self.interactive:
            answers: Answers = prompt_for_config({"cookiecutter": self.context}, no_input=True)
            found = self.problems(answers)
            sentences += [
                each.sentence for each in found if not invalid.keys() & set(each.questions)
            ]
        refuse("Nothing was generated", sentences)

    def _with_defaults(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the questions with the user's defaults, overridden by the given answers."""
        file = str(ROOT / "cookiecutter.json")
        context: dict[str, Any] = generate_context(file, self.defaults, given)["cookiecutter"]
        return context

    def _folder_problems(self) -> Iterator[str]:
        """Yield a message if the service's folder cannot be created."""
        there = next(
            each
            for each in (self.folder.absolute(), *self.folder.absolute().parents)
            if each.exists()
        )
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield f"{there} is not a writable folder: choose another one with OUT=folder."

    def problems(self, answers: Answers) -> Iterator[Problem]:
        """Yield all problems of the answers and of the service's folder, before files are written."""
        yield from problems(answers, self.context)
        place = self.folder / str(answers["project_slug"])
        keeps = self.options["overwrite_if_exists"] or self.options["skip_if_file_exists"]
        taken = os.path.lexists(place) and not (keeps and place.is_dir())
        if taken and os.path.realpath(place) != os.path.realpath(self.folder):
            sentence = f"{place} already exists: choose another project_slug, or another folder with OUT=folder."
            yield Problem(sentence, ("project_slug",))

    def answers(self) -> Answers:
        """Ask the questions, and again those with invalid answers.

        Raises:
            SystemExit: with all problems, if no questions can be asked.

        """
        answers: Answers = prompt_for_config({"cookiecutter": self.context}, not self.interactive)
        while found := list(self.problems(answers)):
            sentences = [problem.sentence for problem in found]
            again = {name for problem in found for name in problem.questions}
            if not self.interactive or not again:
                refuse("Nothing was generated", sentences)
            print("\nThese answers are not valid. The other answers are kept.")
            print("\n".join(f"  - {sentence}" for sentence in sentences))
            try:
                answers |= self._ask_again(answers, again)
            except (EOFError, KeyboardInterrupt):
                sys.exit(f"\nNothing was generated. {self._command_to_continue(answers, again)}")
        return answers

    def _ask_again(self, answers: Answers, names: set[str]) -> Answers:
        """Ask these questions again, with the previous answers as defaults."""
        questions = {name: self.context[name] for name in answers if name in names}
        for name, question in questions.items():
            last = answers[name]
            if isinstance(question, list):
                questions[name] = [last, *(each for each in question if each != last)]
            elif name != "project_slug" or "project_name" not in names:
                questions[name] = "" if "{" in str(last) else last  # a default is a template
        context = {**questions, "__prompts__": QUESTIONS["__prompts__"]}
        again: Answers = prompt_for_config({"cookiecutter": context})
        return again

    def _command_to_continue(self, answers: Answers, again: set[str]) -> str:
        """Format the command that continues with these answers."""
        # The default slug is derived from the name.
        defaults = self._with_defaults({})
        usual = {**defaults, "project_name": answers["project_name"]}
        usual = prompt_for_config({"cookiecutter": usual}, no_input=True)
        usual["project_name"] = defaults["project_name"]
        differs = {
            name: value
            for name, value in answers.items()
            if name not in again and value != usual.get(name)
        }
        kept = as_arguments(differs).replace("$", "$$")  # make expands $ before the shell
        quoted = shlex.quote(kept) if re.search(r'[$`!"\\]', kept) else f'"{kept}"'
        folder = shlex.quote(str(self.folder).replace("$", "$$"))
        return f"To continue with the other answers:\n  make service OUT={folder} ANSWERS={quoted}"

    def generate(self) -> None:
        """Ask the questions, and generate the service."""
        answers = self.answers()
        kept = ("overwrite_if_exists", "skip_if_file_exists", "config_file", "default_config")
        options = {name: self.options[name] for name in kept}
        given = {name: value for name, value in answers.items() if not name.startswith("_")}
        made = cookiecutter(
            str(ROOT), no_input=True, extra_context=given, output_dir=self.folder, **options
        )
        print(origin.record(Path(made), given))


def run(arguments: list[str]) -> None:
    """Generate a service, or exit with a message.

    Raises:
        SystemExit: like cookiecutter's command, or with all problems.

    """
    try:
        command = cli.main.make_context("make service", list(arguments))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:  # after --help or --version
        sys.exit(done.exit_code)
    unknown = unknown_answers(arguments)
    if any(command.params[option] for option in PASSED_THROUGH):
        if unknown:
            sys.exit(unknown_message(unknown))
        with command:
            cli.main.invoke(command)
        return
    try:
        Service(command.params, unknown).generate()
    except (EOFError, KeyboardInterrupt):
        sys.exit("\nNothing was generated.")
    except OSError as error:
        # Errors of the system have a separate filename; those of cookiecutter are complete messages.
        message = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        sys.exit(f"Nothing was generated: {message}.")
    except (CookiecutterException, ValueError) as error:
        sys.exit(f"Nothing was generated: {str(error).rstrip('.')}.")


if __name__ == "__main__":
    run(sys.argv[1:])
