"""Options and fixtures that all tests share."""

import os
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

import scratch
from scratch import Scratch
from tally import MOST, Tally, share
from workshop import Meter, Workshop


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make quick`."""
    parser.addoption(
        "--quick", action="store_true", help="the covering set and the cheap tests only"
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and on the process that reports, the tally."""
    config.addinivalue_line("markers", "slow: left out by --quick")
    config.addinivalue_line("markers", "long: takes a minute, so it begins before all others")
    if not hasattr(config, "workerinput"):
        # The limit is for combinations that run a part of their tests, beside neighbours.
        everything = config.option.quick or os.environ.get("WHOLE")
        config.pluginmanager.register(
            Tally(inf if everything else MOST, config.pluginmanager.get_plugin("terminalreporter")),
            "tally",
        )
        config.pluginmanager.register(Scratch(), "scratch")


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
    if tally := config.pluginmanager.get_plugin("tally"):
        tally.plan(item.nodeid for item in items)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the closing line, after everything that pytest has to say."""
    tally = config.pluginmanager.get_plugin("tally")
    if tally and tally.planned and not config.option.collectonly:
        print(tally.closing_line())


@pytest.fixture(scope="session")
def all_services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Workshop]:
    """Open this worker's workshop, with a cache for mypy that lasts from run to run."""
    cache = Path(__file__).parents[1] / ".cache" / "mypy-services" / worker_id
    base = scratch.folder(request.config) or tmp_path_factory.getbasetemp()
    opened = Workshop(base / f"workshop-{worker_id}", cache)
    yield opened
    opened.warm.close()


@pytest.fixture
def workshop(all_services: Workshop) -> Workshop:
    """Lend the workshop to one test, with a meter of its own."""
    all_services.meter = Meter()
    return all_services
