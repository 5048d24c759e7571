"""The metrics in rules and dashboards are those of the service."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from conftest import MakeApp
from tests import (  # one line where it fits
    own_domains,
    # {% if cookiecutter.background_tasks %}
    toy_task,
    # {% endif %}
)

DEPLOY = Path(__file__).parents[1] / "deploy"
# Prometheus itself adds these labels to every series, and this series for every target.
OF_PROMETHEUS = {"up": {"job", "instance"}}
WORDS = frozenset(
    [
        "and",
        "by",
        "group_left",
        "group_right",
        "ignoring",
        "inf",
        "nan",
        "offset",
        "on",
        "or",
        "unless",
        "without",
    ]
)
STRING, RANGE = r'"[^"]*"', r"\[[^\]]*\]"
GROUPED = re.compile(r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)")
SELECTED = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(?!\s*\(|[\w:])")


def metrics_of(query: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the names and labels of the series in a query."""
    bare = re.sub(RANGE, "", re.sub(STRING, "", query))
    grouped = {name for group in GROUPED.findall(bare) for name in re.findall(r"\w+", group)}
    for name, labels in SELECTED.findall(GROUPED.sub("", bare)):
        if name not in WORDS:
            yield name, grouped | set(re.findall(r"\w+", labels))


def rules() -> list[dict[str, Any]]:
    """Return every rule."""
    return [
        rule
        for file in sorted(DEPLOY.glob("prometheus/rules/*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def dashboards() -> list[dict[str, Any]]:
    """Return every dashboard."""
    return [orjson.loads(file.read_bytes()) for file in sorted(DEPLOY.glob("grafana/*.json"))]


def queries() -> Iterator[tuple[str, str]]:
    """Yield every query with its location."""
    for rule in rules():
        yield rule.get("record") or rule["alert"], rule["expr"]
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{dashboard['title']}, {panel['title']}", target["expr"]
        for variable in dashboard["templating"]["list"][1:]:
            series, label = variable["query"].removeprefix("label_values(")[:-1].split(", ")
            yield f"{dashboard['title']}, ${variable['name']}", f"count by ({label}) ({series})"


@pytest.fixture
def exposed(make_app: MakeApp) -> dict[str, set[str]]:
    """Return the series of the service after some requests: names and labels."""
    app = make_app()
    # {% if cookiecutter.background_tasks %}
    toy_task.init_app(app)
    # {% endif %}

    @app.get("/bug")
    def bug() -> str:
        raise LookupError

    client = app.test_client()
    webhooks = [each.rule for each in app.url_map.iter_rules() if each.rule.startswith("/webhooks")]
    for path in ("/api/docs", "/bug", "/nowhere", *webhooks):
        client.get(path)
        client.post(path, json={})
    return {
        sample.name: {*sample.labels, "job", "instance"}
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    } | OF_PROMETHEUS


def test_every_query_reads_metrics_that_the_service_exposes(exposed: dict[str, set[str]]) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    found = list(queries())
    assert len(found) > 30
    for place, query in found:
        for name, labels in metrics_of(query):
            assert name in recorded or name in exposed, f"{place}: no metric {name}"
            if name in exposed:
                missing = labels - exposed[name]
                # A join may name labels that only its other side has.
                others = set().union(*(exposed.get(other, set()) for other, _ in metrics_of(query)))
                assert not missing - others, f"{place}: {name} has no {missing}"


def test_nothing_that_the_service_shows_is_left_out(exposed: dict[str, set[str]]) -> None:
    used = {name for _, query in queries() for name, _ in metrics_of(query)}
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in used}
    of_owner = tuple(f"{name}_" for name in own_domains.NAMES)
    left_out = {re.sub("_(bucket|count|sum)$", "", name) for name in exposed} - families

    assert [name for name in left_out if not name.startswith(of_owner)] == []


def test_names_and_labels_are_found_in_queries() -> None:
    query = (
        'sum by (job) (rate(a_total{status=~"5.."}[5m])) / on (job) group_left job:b:rate5m '
        "or 0 * max(c offset 1h) > 1.5"
    )

    assert dict(metrics_of(query)) == {
        "a_total": {"job", "status"},
        "job:b:rate5m": {"job"},
        "c": {"job"},
    }


def test_panels_and_rules_have_names_of_their_own() -> None:
    for dashboard in dashboards():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert len(set(titles)) == len(titles)
    names = [rule.get("record") or rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for alert in (rule for rule in rules() if "alert" in rule):
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} <= alert["annotations"].keys()
