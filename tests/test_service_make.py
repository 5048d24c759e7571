"""The make targets of a generated service, without packages from an index."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jinja2 import Environment

ROOT = Path(__file__).parents[1]
TREE = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text())


def make(folder: Path, *arguments: str, **variables: str) -> str:
    """Run make with this Python's environment in place of `.venv`."""
    command = ["make", "--no-print-directory", *arguments, f"VENV={sys.prefix}"]
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render(folder: Path, **answers: object) -> Path:
    """Render the Makefile and `.env.example`, from which it creates `.env`."""
    jinja = Environment(**QUESTIONS["_jinja2_env_vars"], autoescape=False)  # noqa: S701  not HTML
    for name in ("Makefile", ".env.example"):
        template = jinja.from_string((TREE / name).read_text())
        (folder / name).write_text(template.render(cookiecutter={**QUESTIONS, **answers}))
    return folder


def targets(folder: Path) -> list[str]:
    return re.findall(r"^\.PHONY: ([\w-]+)$", (folder / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("database", "auth"), [("postgresql", "jwt"), ("none", "none")])
def test_make_alone_names_every_target(tmp_path: Path, database: str, auth: str) -> None:
    render(tmp_path, database=database, auth=auth)
    assert [line.split()[1] for line in make(tmp_path).splitlines()] == targets(tmp_path)


def test_without_a_database_there_is_nothing_to_migrate(tmp_path: Path) -> None:
    render(tmp_path, database="none")
    assert not {"migrate", "makemigration", "downgrade"} & set(targets(tmp_path))
    assert "db upgrade" not in (tmp_path / "Makefile").read_text()


def test_an_administrator_is_made_in_a_database_with_its_tables(tmp_path: Path) -> None:
    render(tmp_path, database="sqlite", auth="jwt")
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    commands = make(tmp_path, "--dry-run", "admin", "email=you@example.com", "READY=ready")
    assert 0 < commands.index("db upgrade") < commands.index('create-admin "you@example.com"')
    render(tmp_path, database="sqlite", auth="oidc")
    assert "admin" not in targets(tmp_path)


def test_with_a_database_the_service_migrates_before_it_starts(tmp_path: Path) -> None:
    render(tmp_path, database="sqlite")
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    commands = make(tmp_path, "--dry-run", "run", "READY=ready")
    assert 0 < commands.index("db upgrade") < commands.index("run --debug")


def test_the_settings_file_is_made_once_with_a_secret_of_its_own(tmp_path: Path) -> None:
    settings = render(tmp_path) / ".env"
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    make(tmp_path, ".env", "READY=ready")
    first = settings.read_text()
    assert re.search(r"^SECRET_KEY=[0-9a-f]{64}$", first, re.MULTILINE)
    assert settings.stat().st_mode & 0o077 == 0, "others can read the secret"
    settings.unlink()
    make(tmp_path, ".env", "READY=ready")
    assert settings.read_text() != first, "two services share a secret"

    settings.write_text("MINE=1\n")
    (tmp_path / "ready").touch()
    make(tmp_path, ".env", "READY=ready")
    assert settings.read_text() == "MINE=1\n"


@pytest.mark.parametrize(
    "line", ["PORT=9000", 'PORT="9000"', "PORT=9000 # mine", "export PORT=9000", "PORT = 9000"]
)
def test_the_settings_file_has_one_reader(tmp_path: Path, line: str) -> None:
    render(tmp_path, database="none")
    for name in ("requirements.txt", "requirements-dev.txt", "ready"):
        (tmp_path / name).touch()
    (tmp_path / "app").symlink_to(TREE / "app")
    (tmp_path / ".env").write_text(f"APP_ENV=development\n{line}\nLOG_LEVEL=ERROR\n")
    command = make(tmp_path, "run", "READY=ready", "FLASK=echo flask", HOST="a-linux-gnu")
    assert command == "flask run --debug --host 127.0.0.1 --port 9000\n"


INSTALLED = ("flask", "gunicorn", "pytest", "ruff")  # the packages whose import `make setup` checks
ELSEWHERE = {
    "PIP_PREFIX": "elsewhere",
    "PIP_TARGET": "elsewhere",
    "PIP_USER": "1",
    "PYTHONHOME": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "UV_NO_DEPS": "1",
    "UV_PYTHON": "/nonexistent",
    "UV_SYSTEM_PYTHON": "1",
    "UV_WORKING_DIR": "/",
    "VIRTUAL_ENV": "/nonexistent",
}


def wheel(folder: Path, name: str, *needs: str) -> str:
    """Write an empty package; return its line of a requirements file."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    required = "".join(f"Requires-Dist: {each}\n" for each in needs)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", "")
        described = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{required}"
        archive.writestr(f"{about}/METADATA", described)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{name}==1.0 \\\n    --hash=sha256:{digest}\n"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make pip and uv install from this folder only."""
    folder = tmp_path / "wheels"
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_DEFAULT_INDEX": folder.as_uri(),
        "UV_FIND_LINKS": str(folder),
        "UV_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def install(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make with a new `.venv`, created by the Python of these tests."""
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments, f"PYTHON={sys.executable}"],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def new_service(folder: Path, wheels: Path, *names: str) -> Path:
    render(folder, database="none", auth="none")
    (folder / "requirements.txt").write_text("".join(wheel(wheels, name) for name in names))
    (folder / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return folder


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_packages_are_installed_into_the_service_wherever_the_shell_would_put_them(
    tmp_path: Path, wheels: Path, installer: str
) -> None:
    new_service(tmp_path, wheels, *INSTALLED)
    path = os.environ["PATH"]
    if installer == "uv":
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "uv").symlink_to(Path(sys.prefix, "bin", "uv"))
        path = f"{tmp_path / 'bin'}:{path}"

    done = install(tmp_path, "setup", **ELSEWHERE, PATH=path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Installed.\n")
    found = {file.stem for file in tmp_path.glob(".venv/lib/*/site-packages/*.py")}
    assert set(INSTALLED) <= found
    assert not (tmp_path / "elsewhere").exists()


def test_make_prints_installed_only_if_the_packages_are_in_the_environment(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_service(tmp_path, wheels, *INSTALLED)
    elsewhere = tmp_path / "pip.conf"
    elsewhere.write_text(f"[install]\ntarget = {tmp_path / 'elsewhere'}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(elsewhere))
    path = os.pathsep.join(
        each for each in os.environ["PATH"].split(os.pathsep) if not Path(each, "uv").exists()
    )

    done = install(tmp_path, "setup", PATH=path)

    assert done.returncode != 0
    assert "The packages are not in .venv" in done.stderr
    assert "Installed." not in done.stdout
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_a_new_service_starts_whatever_make_does_at_once(tmp_path: Path, wheels: Path) -> None:
    new_service(tmp_path, wheels, *INSTALLED)

    done = install(tmp_path, "-j4", "check", "FLASK=echo flask")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "flask check" in done.stdout
    assert re.search(r"^SECRET_KEY=[0-9a-f]{64}$", (tmp_path / ".env").read_text(), re.MULTILINE)


def test_pins_without_a_change_stay_as_they_are_byte_by_byte(tmp_path: Path, wheels: Path) -> None:
    render(tmp_path, database="none", auth="none")
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'shop'\nversion = '1'\nrequires-python = '>=3.11'\n"
        "dependencies = ['web']\n[project.optional-dependencies]\naws = ['cloud']\n"
        "[dependency-groups]\ndev = ['tester']\naudit = ['auditor']\n"
    )
    pinned = {name: wheel(wheels, name) for name in ("shared", "helper", "auditor")}
    pinned |= {
        "web": wheel(wheels, "web", "shared"),
        "cloud": wheel(wheels, "cloud", "shared"),
        "tester": wheel(wheels, "tester", "shared", "helper; sys_platform == 'win32'"),
    }
    pinned["helper"] = pinned["helper"].replace("1.0 ", "1.0 ; sys_platform == 'win32' ", 1)
    title = "# This file was autogenerated by uv via the following command:\n#    make lock\n"
    more = f"{title}-r requirements.txt\n"
    files = {
        "requirements.txt": title + pinned["shared"] + pinned["web"],
        "requirements-dev.txt": more + pinned["helper"] + pinned["tester"],
        "requirements-audit.txt": more + pinned["auditor"],
        "requirements-aws.txt": more + pinned["cloud"],
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "uv").symlink_to(Path(sys.prefix, "bin", "uv"))
    (tmp_path / "venv" / ".ready").touch()

    done = install(tmp_path, "lock", "VENV=venv", UV_RESOLUTION="lowest", UV_PRERELEASE="allow")

    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / name).read_text() for name in files} == files


AUDITS = {
    # a stand-in for pip-audit: the exit code of `make audit`, and its message
    "exit 0": (0, "No known vulnerabilities in the pinned packages."),
    "echo a flaw >$out; exit 1": (2, "The pinned packages have known vulnerabilities."),
    "echo no answer >&2; exit 1": (2, "Not verified"),
}


@pytest.mark.parametrize("does", AUDITS)
def test_an_audit_passes_only_when_each_package_was_looked_up(tmp_path: Path, does: str) -> None:
    code, message = AUDITS[does]

    done = audit(render(tmp_path), does)

    assert done.returncode == code
    assert message in done.stdout + done.stderr


def test_an_audit_without_a_network_says_that_it_did_not_look(tmp_path: Path) -> None:
    done = audit(render(tmp_path), "exit 1", "OFFLINE=1")

    assert done.returncode == 0
    assert "Not verified" in done.stdout
    assert "No known vulnerabilities" not in done.stdout


def audit(folder: Path, does: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make audit` with stand-ins for its tools."""
    tools = {
        "bandit": "exit 0",
        "pip-audit": f'while test "$1" != --output; do shift; done; out=$2; {does}',
    }
    (folder / "venv" / "bin").mkdir(parents=True)
    for name, script in tools.items():
        tool = folder / "venv" / "bin" / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt"):
        (folder / name).touch()
    for name in (".ready", ".audit-ready"):
        (folder / "venv" / name).touch()
    command = ["make", "--no-print-directory", "audit", "VENV=venv", *arguments]
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
