"""`make service`: questions with invalid answers are asked again, and no answer is lost."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import service
from combinations import ROOT, choices, questions
from drills.waiting import HANG_TIMEOUT_SECONDS

ENTER = ""
TEXTS = [ENTER] * 4
NO_FOLDER = "is not a writable folder: choose another one with OUT=folder."


def ask(
    folder: Path, typed: list[str], *arguments: str, config: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command with an empty home and these lines as input."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / ".cookiecutterrc").write_text(config)
    return subprocess.run(
        [sys.executable, "tools/service.py", ".", "-o", str(folder / "made"), *arguments],
        cwd=ROOT,
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_TIMEOUT_SECONDS,
        env={"HOME": str(home), "COLUMNS": "200"},
    )


def answer_lines(**choice: str) -> list[str]:
    """List the input that chooses these answers by number, and all other defaults."""
    typed = []
    for name, value in questions().items():
        if name.startswith("_"):
            continue
        number = value.index(choice[name]) + 1 if name in choice else ENTER
        typed.append(str(number))
    return typed


def question_numbers(output: str) -> list[str]:
    """List the numbers of the questions in the output, such as 1/15."""
    return re.findall(r"\[(\d+/\d+)\]", output)


def pyproject(folder: Path) -> str:
    return (folder / "made" / "order-service" / "pyproject.toml").read_text()


def test_only_answers_that_exclude_each_other_are_asked_again(tmp_path: Path) -> None:
    typed = answer_lines(database="none", license="Apache-2.0")
    typed[3] = "Ada Lovelace"

    done = ask(tmp_path, [*typed, ENTER, "3"])

    assert done.returncode == 0, done.stderr
    assert question_numbers(done.stdout)[-2:] == ["1/2", "2/2"]
    assert "auth=jwt needs database: change one of the two answers." in done.stdout
    assert "Ada Lovelace" in pyproject(tmp_path)
    assert 'license = "Apache-2.0"' in pyproject(tmp_path)
    assert "sqlalchemy" not in pyproject(tmp_path)
    assert not (tmp_path / "made" / "order-service" / "app" / "users").exists()


def test_an_interrupted_run_prints_the_command_that_keeps_the_answers(tmp_path: Path) -> None:
    typed = answer_lines(database="none", license="Apache-2.0")
    typed[3] = "Ada's $HOME & `co`"

    done = ask(tmp_path, typed)

    assert done.returncode == 1
    assert not (tmp_path / "made").exists()
    command = done.stderr.splitlines()[-1].strip()
    shown = subprocess.run(
        # make and a shell parse it, as for a user
        ["sh", "-c", command.replace("make service", "make --silent -f - service", 1)],
        input="service:\n\t@printf '%s\\n' $(ANSWERS)\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == ["author=Ada's $HOME & `co`", "license=Apache-2.0"]


def test_the_command_to_continue_has_the_answers_that_differ_from_the_users_defaults(
    tmp_path: Path,
) -> None:
    config = "default_context: {license: none, author: Ada, tracing: no}"
    typed = answer_lines(database="none")
    typed[2:4] = ["a # of b;c", "The Team"]
    typed[8] = "y"  # tracing
    typed[-1] = "2"  # MIT, behind the default

    done = ask(tmp_path, typed, "-o", str(tmp_path / "it's $HOME"), config=config)

    command = done.stderr.splitlines()[-1].strip()
    shown = subprocess.run(
        ["sh", "-c", command.replace("make service", "make --silent -f - service", 1)],
        input="service:\n\t@printf '%s\\n' \"$$OUT\" $(ANSWERS)\n",
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": "wrong"},
    )
    assert shown.stdout.splitlines() == [
        f"{tmp_path}/it's $HOME",
        "description=a # of b;c",
        "author=The Team",
        "tracing=yes",
        "license=MIT",
    ]


def test_a_name_that_is_refused_is_asked_again_with_the_slug_made_from_it(tmp_path: Path) -> None:
    typed = ["?", *answer_lines()[1:]]

    done = ask(tmp_path, [*typed, "Price Service", ENTER])

    assert done.returncode == 0, done.stderr
    assert question_numbers(done.stdout)[-2:] == ["1/2", "2/2"]
    assert (tmp_path / "made" / "price-service").is_dir()


def test_an_existing_folder_is_detected_before_the_answers_are_lost(
    tmp_path: Path,
) -> None:
    (tmp_path / "made" / "order-service").mkdir(parents=True)

    done = ask(tmp_path, [*answer_lines(), "other-service"])

    assert done.returncode == 0, done.stderr
    assert "already exists: choose another project_slug" in done.stdout
    assert not any((tmp_path / "made" / "order-service").iterdir())
    assert (tmp_path / "made" / "other-service" / "app").is_dir()


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_is_not_writable_is_reported_before_the_first_question(
    tmp_path: Path, out: str
) -> None:
    (tmp_path / "file").touch()

    done = ask(tmp_path, [], "--output-dir", str(tmp_path / out))

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [f"  - {tmp_path / 'file'} {NO_FOLDER}"]
    assert "[1/" not in done.stdout


@pytest.mark.parametrize("option", [(), ("--overwrite-if-exists",)])
def test_a_dangling_link_and_a_file_count_as_existing(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").symlink_to(tmp_path / "nowhere")
    (tmp_path / "made" / "b").touch()
    (tmp_path / "made" / "c").symlink_to("c")

    for slug in "abc":
        done = ask(tmp_path, [], "--no-input", f"project_slug={slug}", *option)
        assert "already exists: choose another project_slug" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_next_commands_quote_the_folder(tmp_path: Path) -> None:
    done = ask(tmp_path, [], "--no-input", "--output-dir", str(tmp_path / "it's a $HOME"))

    [line] = re.findall("^    cd .*$", done.stdout, re.MULTILINE)
    shown = subprocess.run(
        ["sh", "-c", f"{line} && pwd"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"{tmp_path}/it's a $HOME/order-service\n"


def test_a_tilde_that_the_shell_did_not_expand_is_the_home_folder(tmp_path: Path) -> None:
    done = ask(tmp_path, [], "--no-input", "--output-dir", "~/code")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "code" / "order-service" / "app").is_dir()


def test_replayed_answers_are_validated(tmp_path: Path) -> None:
    missing = ask(tmp_path, [], "--replay")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Nothing was generated: No such file or directory: ")

    ask(tmp_path, [], "--no-input", "database=sqlite", "author=Ada", "project_slug=first")
    again = ask(tmp_path, [], "--replay", "project_slug=second")
    assert again.returncode == 0, again.stderr
    assert 'name = "Ada"' in (tmp_path / "made" / "second" / "pyproject.toml").read_text()

    for answers, sentence in (
        ({"database": "none", "auth": "jwt"}, "auth=jwt needs database"),
        ({"author": ["a"]}, "author is ['a']: enter a text"),
        ([], "contains no answers"),
    ):
        (tmp_path / "replay.json").write_text(json.dumps({"cookiecutter": answers}))
        done = ask(tmp_path, [], "--replay-file", str(tmp_path / "replay.json"))
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "made" / "order-service").exists()


@pytest.mark.parametrize("slug", ["1:bad/x", "../x", "a/b/c", ".", ""])
def test_an_invalid_slug_creates_no_folder(tmp_path: Path, slug: str) -> None:
    done = ask(tmp_path, [], "--no-input", f"project_slug={slug}")

    assert done.returncode == 1
    assert "project_slug" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("name", ["author", "description", "project_name", "project_slug"])
def test_template_code_is_refused_before_it_is_run(tmp_path: Path, name: str) -> None:
    done = ask(tmp_path, [], "--no-input", name + "={{ 1 / 0 }}")

    assert done.returncode == 1
    assert done.stderr.startswith(f"Nothing was generated:\n  - {name} contains template code")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_every_invalid_default_is_listed_by_name(tmp_path: Path) -> None:
    config = """\
default_context:
  database: oracle
  tracing: perhaps
  author: Ada
  github_username: ada
  license: 5
"""

    done = ask(tmp_path, [], "--no-input", config=config)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The user configuration of cookiecutter is invalid:",
        "  - database is 'oracle': choose one of postgresql, mysql, sqlite, none, or remove the line.",
        "  - tracing is 'perhaps': choose one of yes, no, or remove the line.",
        "  - license is 5: choose one of MIT, BSD-3-Clause, Apache-2.0, none, or remove the line.",
    ]
    assert not (tmp_path / "made").exists()


def test_valid_defaults_of_a_user_are_used(tmp_path: Path) -> None:
    config = "default_context: {author: Ada Lovelace, database: sqlite, tracing: no, other: 1}"

    done = ask(tmp_path, [], "--no-input", config=config)

    assert done.returncode == 0, done.stderr
    assert "Ada Lovelace" in pyproject(tmp_path)
    assert not (tmp_path / "made" / "order-service" / "app" / "core" / "tracing.py").exists()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("author: [a, b]", "author is ['a', 'b']: enter a text in quotes, or remove the line."),
        ("author:", "author is None: enter a text in quotes, or remove the line."),
        ("author: yes", "author is True: enter a text in quotes, or remove the line."),
        ("description: 007", "description is 7: enter a text in quotes, or remove the line."),
        ("project_slug: {a: 1}", "project_slug is {'a': 1}: enter a text in quotes, or "),
        ("tracing: 0", "tracing is 0: choose one of yes, no, or remove the line."),
        ("tracing:", "tracing is None: choose one of yes, no, or remove the line."),
        ("tracing: [no]", "tracing is [False]: choose one of yes, no, or remove the line."),
        ("database: [mysql]", "database is ['mysql']: choose one of postgresql, mysql, "),
        ("auth: no", "auth is False: choose one of jwt, oidc, none, or remove the line."),
        ("_jinja2_env_vars: {}", "_jinja2_env_vars is a setting of the template, not a question"),
    ],
)
def test_a_default_of_another_type_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    done = ask(tmp_path, [], "--no-input", config=f"default_context:\n  {line}\n")

    assert done.returncode == 1
    assert f"  - {sentence}" in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "config",
    [
        "default_context: text",
        "default_context: [a]",
        "abbreviations: 5",
        "abbreviations:",
        "replay_dir: 5",
        "cookiecutters_dir:",
    ],
)
def test_a_configuration_of_other_types_is_refused(tmp_path: Path, config: str) -> None:
    done = ask(tmp_path, [], "--no-input", config=config)

    assert done.returncode == 1
    assert done.stderr.startswith("The user configuration of cookiecutter is invalid:\n  - ")
    assert "remove the line." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_with_all_defaults_commented_out_is_accepted(tmp_path: Path) -> None:
    done = ask(tmp_path, [], "--no-input", config="default_context:\n#  author: Ada\n")

    assert done.returncode == 0, done.stderr


def test_all_problems_of_given_answers_are_listed_at_once(tmp_path: Path) -> None:
    given = ["databas=none", "database=oracle", "tracing=maybe", "author={{ 1 }}", "caching=yes"]

    done = ask(tmp_path, [], "--no-input", *given, 'description="', "project_slug=a/b", "auth=jwt")

    assert done.stderr.splitlines() == [
        "Nothing was generated:",
        "  - There is no question named databas: cookiecutter.json lists the questions.",
        "  - database is 'oracle': choose one of postgresql, mysql, sqlite, none.",
        "  - tracing is 'maybe': choose one of yes, no.",
        "  - author contains template code ({{ or # {% or # {#): remove it.",
        "  - description contains '\"': remove it.",
        "  - project_slug is 'a/b': use lower-case letters and digits, beginning with a letter, with single - or _ between.",
    ]


@pytest.mark.parametrize("config", ["default_context: [", "- a list"])
def test_an_unreadable_configuration_ends_with_a_message(tmp_path: Path, config: str) -> None:
    done = ask(tmp_path, [], "--no-input", config=config)

    assert done.returncode == 1
    assert done.stderr.startswith("Nothing was generated: ")
    assert "Traceback" not in done.stderr


def test_an_interruption_prints_no_traceback(tmp_path: Path) -> None:
    done = ask(tmp_path, TEXTS)

    assert done.returncode == 1
    assert done.stderr.strip() == "Nothing was generated."


def test_without_questions_the_result_is_that_of_cookiecutter(tmp_path: Path) -> None:
    given = ["database=none", "auth=oidc", "web_ui=y", "author=Ada & Co"]

    ours = ask(tmp_path, [], "--no-input", *given)
    theirs = subprocess.run(
        [
            sys.executable,
            "-m",
            "cookiecutter",
            ".",
            "-o",
            str(tmp_path / "theirs"),
            "--no-input",
            *given,
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=HANG_TIMEOUT_SECONDS,
        env={"HOME": str(tmp_path / "home")},
    )

    assert (ours.returncode, theirs.returncode) == (0, 0)
    assert contents(tmp_path / "made") == contents(tmp_path / "theirs")


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a service but those that record its origin (test_origin.py)."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".git", ".cruft.json"} & set(path.parts)
    }


def test_every_question_and_every_choice_has_a_prompt() -> None:
    prompts = json.loads((ROOT / "cookiecutter.json").read_text())["__prompts__"]

    assert list(prompts) == [name for name in questions() if not name.startswith("_")]
    for name, values in choices().items():
        if not isinstance(values[0], bool):
            assert prompts[name]["__prompt__"].endswith("?")
            # the names of licenses need no prompt
            assert name == "license" or prompts[name].keys() == {"__prompt__", *values}
        else:
            assert prompts[name].rstrip(")").endswith(("?", "database"))


def test_options_of_cookiecutter_itself_still_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, [], "--version").stdout.startswith("Cookiecutter ")
    done = ask(tmp_path, [], "--nonsense")
    assert done.returncode == 2
    assert "No such option" in done.stderr

    with pytest.raises(SystemExit):
        service.run(shlex.split("--help"))
    assert "--output-dir" in capsys.readouterr().out
