"""Options and fixtures that all tests share."""

import os
import secrets
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url

import ramdisk
import real_servers
from bakery import Bakery, Meter
from cruft_projects import template_repository
from ramdisk import RamDisk
from summary import MAX_MEAN, Summary, share


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make quick`."""
    parser.addoption(
        "--quick", action="store_true", help="the covering set and the cheap tests only"
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and on the process that reports, the summary."""
    config.addinivalue_line("markers", "slow: left out by --quick")
    config.addinivalue_line("markers", "long: takes a minute, so it begins before all others")
    if not hasattr(config, "workerinput"):
        # The limit is for combinations that run a part of their tests, beside neighbours.
        everything = config.option.quick or os.environ.get("WHOLE")
        config.pluginmanager.register(
            Summary(
                inf if everything else MAX_MEAN, config.pluginmanager.get_plugin("terminalreporter")
            ),
            "summary",
        )
        config.pluginmanager.register(RamDisk(), "ramdisk")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one share of the tests with SHARD=i/n, and the quick ones with --quick; order them."""
    quick: bool = config.option.quick
    asked = [item for item in items if not (quick and item.get_closest_marker("slow"))]
    kept = asked[share(os.environ.get("SHARD", ""))]
    # What mostly waits goes on beside what computes, and no worker begins it when the others end.
    kept.sort(key=lambda item: item.get_closest_marker("long") is None)
    left = set(items) - set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = kept
    if summary := config.pluginmanager.get_plugin("summary"):
        summary.plan(item.nodeid for item in items)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the closing line, after everything that pytest has to say."""
    summary = config.pluginmanager.get_plugin("summary")
    if summary and summary.planned and not config.option.collectonly:
        print(summary.closing_line())


@pytest.fixture(scope="session")
def all_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Bakery]:
    """Open this worker's bakery, with a cache for mypy that lasts from run to run."""
    cache = Path(__file__).parents[1] / ".cache" / "mypy-services" / worker_id
    base = ramdisk.folder(request.config) or tmp_path_factory.getbasetemp()
    opened = Bakery(base / f"bakery-{worker_id}", cache)
    yield opened
    opened.forkserver.close()


@pytest.fixture
def bakery(all_services: Bakery) -> Bakery:
    """Lend the bakery to one test, with a meter of its own."""
    all_services.meter = Meter()
    return all_services


@pytest.fixture(scope="module")
def repository(all_services: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a git repository of the template, for cruft."""
    return template_repository(all_services, tmp_path_factory.mktemp("repository") / "template")


@pytest.fixture
def new_database() -> Iterator[Callable[[str], str]]:
    """Return a function that creates a database on a server and returns its URL; it is dropped after the test."""
    created: list[tuple[Engine, str]] = []

    def make(server: str) -> str:
        url = make_url(real_servers.needed(server)[server])
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        name = f"living_{secrets.token_hex(6)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        created.append((engine, name))
        return url.set(database=name).render_as_string(hide_password=False)

    yield make
    for engine, name in created:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use an empty home: nobody's own settings of cookiecutter or git."""
    monkeypatch.setenv("HOME", str(tmp_path))
