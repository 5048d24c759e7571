"""Run cookiecutter for `make service`: like its own command, but mistakes get one plain sentence.

Cookiecutter ignores an answer to a question that does not exist, and after a hook has said what
is wrong it prints a traceback over it.
"""

import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from cookiecutter.cli import main

QUESTIONS = Path(__file__).parents[1] / "cookiecutter.json"


def unknown_answers(arguments: Iterable[str]) -> list[str]:
    """Return the names in `name=value` arguments that no question has."""
    questions = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    names = [name for name, is_pair, _ in (a.partition("=") for a in arguments) if is_pair]
    return [name for name in names if not name.startswith("-") and name not in questions]


def run(arguments: list[str]) -> None:
    """Generate, or say in a sentence why not."""
    if unknown := unknown_answers(arguments):
        sys.exit(f"There is no question called {', '.join(unknown)}: see cookiecutter.json.")
    logging.getLogger("cookiecutter.hooks").disabled = True
    try:
        main(arguments)
    except ValueError as error:  # a choice that is not offered
        sys.exit(f"Nothing was generated: {str(error).rstrip('.')}.")


if __name__ == "__main__":
    run(sys.argv[1:])
