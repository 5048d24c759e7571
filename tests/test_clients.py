"""Clients made from a service's own API document: they have strict types, and drive the service."""

import shutil
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

import browsing
import client_tools
from bakery import Bakery
from client_tools import OURS, run
from combinations import Answers, choices, ident

EVERYTHING: Answers = {
    name: True for name, values in choices().items() if isinstance(values[0], bool)
}
SERVICES: list[Answers] = [
    {**EVERYTHING, "database": "postgresql", "auth": "jwt"},
    {**EVERYTHING, "database": "sqlite", "auth": "oidc", "license": "none"},
    {**EVERYTHING, "database": "none", "auth": "none", "caching": False, "rate_limiting": False},
]
# A site, and who logs in there; the clients that are driven log in with a password.
Account = tuple[()] | tuple[str, str, str]
PERSON = "ann@shop.example"
PASSWORD = "correct horse battery staple"  # noqa: S105  of nobody
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.mark.slow
@pytest.mark.parametrize("answers", SERVICES, ids=ident)
def test_clients_are_made_of_the_document_with_strict_types(
    answers: Answers, bakery: Bakery, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    project = bakery.bake(answers)
    with browsing.running(project) as site:
        document = tmp_path / "openapi.json"
        with urlopen(f"{site}/api/openapi.json") as answer:  # noqa: S310  our own service
            document.write_bytes(answer.read())
        account: Account = ()
        if answers["auth"] == "jwt":
            browsing.flask(
                project, "users", "create-admin", PERSON, typed=f"{PASSWORD}\n{PASSWORD}\n"
            )
            account = (site, PERSON, PASSWORD)
        for client in (lint, in_python, in_typescript):
            with subtests.test(client.__name__):
                client(document, account)


def lint(document: Path, _account: Account) -> None:
    """Let Redocly look for mistakes in the document."""
    redocly = client_tools.node_modules() / ".bin" / "redocly"
    (document.parent / "redocly.yaml").write_text("extends: [recommended]\n")
    found = run([redocly, "lint", document, "--format=json"], document.parent, **QUIET)
    assert '"errors": 0' in found
    assert '"warnings": 0' in found


def in_python(document: Path, account: Account) -> None:
    """Make a Python client, check its types, and drive the service with it."""
    folder, python = document.parent, client_tools.python()
    make: list[str | Path] = [python, "-m", "openapi_python_client", "generate", "--meta", "none"]
    config = OURS / "python.yaml"
    run([*make, "--path", document, "--output-path", "shop", "--config", config], folder)
    types: list[str | Path] = [sys.executable, "-m", "mypy", "--strict"]
    types += ["--python-executable", python, "--cache-dir", client_tools.CACHE / "mypy"]
    if not account:
        run([*types, "shop"], folder)
        return
    shutil.copy2(OURS / "drive.py", folder)
    run([*types, "shop", "drive.py"], folder)
    assert "driven" in run([python, "drive.py", *account], folder)


def in_typescript(document: Path, account: Account) -> None:
    """Make types for TypeScript, compile a client under strict rules, and drive the service with it."""
    folder, modules = document.parent, client_tools.node_modules()
    (folder / "node_modules").symlink_to(modules)
    for name in ("package.json", "tsconfig.json", "drive.ts"):
        shutil.copy2(OURS / name, folder)
    run([modules / ".bin" / "openapi-typescript", document, "--output", "schema.d.ts"], folder)
    tsc = modules / ".bin" / "tsc"
    if not account:
        run([tsc, "--strict", "--noEmit", "--lib", "es2022", "schema.d.ts"], folder)
        return
    run([tsc, "--project", "tsconfig.json"], folder)
    assert "driven" in run(["node", "compiled/drive.js", *account], folder)


def test_without_node_the_test_is_skipped_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(pytest.skip.Exception, match=r"no Node\.js with npm is on the PATH"):
        client_tools.node_modules()


def test_where_everything_is_required_the_test_fails_without_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(pytest.fail.Exception, match="no Node"):
        client_tools.node_modules()
