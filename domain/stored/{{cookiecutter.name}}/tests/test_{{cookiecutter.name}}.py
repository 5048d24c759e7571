import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select

from app.core import database
from app.core.api import pagination
from app.{{cookiecutter.name}} import repository
from app.{{cookiecutter.name}}.models import (
    # {% for field in cookiecutter._fields if field.choices %}
    {{field.enum}},
    # {% endfor %}
    {{cookiecutter.model}}
)
from app.{{cookiecutter.name}}.tests import URL, make, values
# {% for import in cookiecutter._test_imports %}
{{import}}
# {% endfor %}
from conftest import MakeApp, authorization, body, user_id
from tests.database import CountQueries, Plan

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = {"Idempotency-Key": "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"}


def stored(app: Flask) -> int:
    """Return how many {{cookiecutter.plural_label}} are stored."""
    with app.app_context(), database.reading() as connection:
        return connection.execute(select(func.count()).select_from({{cookiecutter.model}})).scalar_one()


def store(app: Flask, rows: int, **others: object) -> list[str]:
    """Store {{cookiecutter.plural_label}}, one a second; return their ids, newest first."""
    usual = {
        # {% if cookiecutter.auth != "none" %}
        "owner_id": user_id(app),
        # {% endif %}
        "version": 1,
        # {% for field in cookiecutter._fields if not field.unique %}
        "{{field.attribute}}": {{field.row}},
        # {% endfor %}
    }
    found = [
        {
            **usual,
            "id": uuid4(),
            # Not in insertion order, because skipping rows would be cheap then.
            "created_at": NOON + timedelta(seconds=number * 2_741 % rows),
            # {% for field in cookiecutter._fields if field.unique %}
            "{{field.attribute}}": {{field.row}},
            # {% endfor %}
            **others,
        }
        for number in range(rows)
    ]
    with app.app_context(), database.writing() as session:
        session.execute(insert({{cookiecutter.model}}), found)
    return [str(row["id"]) for row in sorted(found, key=lambda row: str(row["created_at"]), reverse=True)]


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_is_created_and_found_again(app: Flask, client: FlaskClient) -> None:
    sent = values(app)

    created = client.post(URL, json=sent)

    assert created.status_code == 201
    assert created.headers["Location"] == f"{URL}/{body(created)['id']}"
    assert body(created).items() >= sent.items()
    found = client.get(created.headers["Location"])
    assert found.json == created.json
    assert found.headers["ETag"] == created.headers["ETag"]
    assert client.get(URL).json == {"items": [created.json], "next_cursor": None}


# {% if cookiecutter._optional %}
def test_what_may_be_absent_has_its_default(app: Flask, client: FlaskClient) -> None:
    sent = values(app)
    defaults = {
        # {% for field in cookiecutter._fields if field.default %}
        "{{field.attribute}}": {{field.default}},
        # {% endfor %}
    }
    for name in defaults:
        del sent[name]

    created = client.post(URL, json=sent)

    assert created.status_code == 201
    assert body(created).items() >= defaults.items()


# {% endif %}
def test_every_wrong_value_is_named_at_once(app: Flask, client: FlaskClient) -> None:
    wrong = {
        # {% for field in cookiecutter._fields %}
        "{{field.attribute}}": {{field.wrong}},
        # {% endfor %}
    }

    response = client.post(URL, json={**wrong, "colour": "red"})

    assert response.status_code == 422
    pointers = {error["pointer"] for error in body(response)["errors"]}
    assert pointers == {"#", *(f"#/{name}" for name in wrong)}
    assert stored(app) == 0


# {% for field in cookiecutter._fields if field.target %}
def test_a_{{field.name}}_must_exist(app: Flask, client: FlaskClient) -> None:
    location = f"{URL}/{make(app)}"
    nothing = {"{{field.attribute}}": str(uuid4())}

    for response in (client.post(URL, json=values(app, **nothing)), client.patch(location, json=nothing)):
        assert response.status_code == 422
        (error,) = body(response)["errors"]
        assert error["pointer"] == "#/{{field.attribute}}"
    assert stored(app) == 1


# {% endfor %}
# {% for field in cookiecutter._fields if field.unique %}
def test_a_{{field.name}}_is_unique(app: Flask, client: FlaskClient) -> None:
    created = client.post(URL, json=values(app))
    same = {"{{field.attribute}}": body(created)["{{field.attribute}}"]}

    again = client.post(URL, json=values(app, **same))
    changed = client.patch(f"{URL}/{make(app)}", json=same)

    assert again.status_code == changed.status_code == 409
    assert stored(app) == 2


# {% endfor %}
def test_the_same_key_and_values_give_the_same_{{cookiecutter.singular}}(app: Flask, client: FlaskClient) -> None:
    sent = values(app)

    created = client.post(URL, json=sent, headers=KEY)
    again = client.post(URL, json=sent, headers=KEY)
    other = client.post(URL, json={**sent, "{{cookiecutter._fields[0].attribute}}": {{cookiecutter._fields[0].other}}}, headers=KEY)

    assert again.status_code == 201
    assert again.json == created.json
    assert other.status_code == 422
    assert body(other)["code"] == "idempotency_key_reused"
    assert stored(app) == 1


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_is_changed_and_the_rest_of_it_kept(app: Flask, client: FlaskClient) -> None:
    created = client.post(URL, json=values(app))
    location, changes = created.headers["Location"], {"{{cookiecutter._fields[0].attribute}}": {{cookiecutter._fields[0].other}}}

    changed = client.patch(location, json=changes)

    assert changed.status_code == 200
    assert body(changed) == {**body(created), **changes, "version": 2}
    assert client.get(location).json == changed.json
    for name in ("id", "created_at", "owner_id", "version"):
        assert client.patch(location, json={name: body(created)["id"]}).status_code == 422


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_that_is_held_already_is_not_sent_again(app: Flask, client: FlaskClient) -> None:
    created = client.post(URL, json=values(app))

    again = client.get(created.headers["Location"], headers={"If-None-Match": created.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")


def test_only_the_version_that_was_read_is_changed_or_deleted(app: Flask, client: FlaskClient) -> None:
    created = client.post(URL, json=values(app))
    location, held = created.headers["Location"], {"If-Match": created.headers["ETag"]}
    changes = {"{{cookiecutter._fields[0].attribute}}": {{cookiecutter._fields[0].other}}}

    changed = client.patch(location, json=changes, headers=held)

    assert changed.status_code == 200
    assert client.patch(location, json=changes, headers=held).status_code == 412
    assert client.delete(location, headers=held).status_code == 412
    held = {"If-Match": changed.headers["ETag"]}
    assert client.delete(location, headers=held).status_code == 204
    assert stored(app) == 0


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_that_does_not_exist_is_not_found(client: FlaskClient) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        response = client.open(f"{URL}/{uuid4()}", method=method, json={} if method == "PATCH" else None)

        assert response.status_code == 404


def test_pages_follow_each_other_without_gap_or_repetition(app: Flask, client: FlaskClient) -> None:
    ids = store(app, 7)

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while query:
        page = body(client.get(URL, query_string=query))
        seen += [item["id"] for item in page["items"]]
        query = {"limit": 3, "cursor": page["next_cursor"]} if page["next_cursor"] else {}

    assert seen == ids


# {% for field in cookiecutter._fields if field.filter %}
def test_a_list_is_restricted_to_a_{{field.name}}(app: Flask, client: FlaskClient) -> None:
    wanted = client.post(URL, json=values(app, {{field.attribute}}={{field.sample}}))
    client.post(URL, json=values(app, {{field.attribute}}={{field.other}}))
    query = {"{{field.attribute}}": body(wanted)["{{field.attribute}}"]}

    assert body(client.get(URL, query_string=query))["items"] == [wanted.json]
    assert client.get(URL, query_string={"{{field.attribute}}": "nothing"}).status_code == 422


# {% endfor %}
@pytest.mark.parametrize("rows", [1, 100])
def test_a_page_takes_one_query_however_many_{{cookiecutter.name}}_it_has(
    app: Flask, client: FlaskClient, count_queries: CountQueries, rows: int
) -> None:
    store(app, rows)

    with count_queries(1):
        page = body(client.get(URL, query_string={"limit": 100}))

    assert len(page["items"]) == rows


def test_each_page_is_read_from_the_index_in_its_order(app: Flask, plan: Plan) -> None:
    # With few rows, database servers prefer a sort to the index.
    rows = 500 if database.reading_engine.of(app).dialect.name == "sqlite" else 5_000
    store(app, rows)

    for after in (None, pagination.Position(NOON + timedelta(seconds=rows // 2), uuid4())):
        page = repository.page(21, after)
        # {% if cookiecutter.auth != "none" %}
        page = repository.owned(page, user_id(app))
        # {% endif %}
        query_plan = plan(page).lower()
        assert "ix_{{cookiecutter.name}}_" in query_plan
        assert "sort" not in query_plan
        assert "temp b-tree" not in query_plan


# {% if cookiecutter.auth != "none" %}
@pytest.mark.attack
def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_of_somebody_else_is_like_one_that_never_was(
    app: Flask, client: FlaskClient
) -> None:
    location = client.post(URL, json=values(app)).headers["Location"]
    other = app.test_client()
    other.environ_base["HTTP_AUTHORIZATION"] = authorization(app, "other")

    assert other.get(URL).json == {"items": [], "next_cursor": None}
    for method in ("GET", "PATCH", "DELETE"):
        response = other.open(location, method=method, json={} if method == "PATCH" else None)
        assert response.status_code == 404
    assert client.get(location).status_code == 200


# {% if not cookiecutter._owned_targets %}
@pytest.mark.attack
def test_an_idempotency_key_of_somebody_else_is_another_key(app: Flask, client: FlaskClient) -> None:
    ours = client.post(URL, json=values(app), headers=KEY)

    theirs = client.post(URL, json=values(app), headers={**KEY, "Authorization": authorization(app, "other")})

    assert theirs.status_code == 201
    assert body(theirs)["id"] != body(ours)["id"]


# {% endif %}
# {% endif %}
# {% if cookiecutter.metrics %}
def created_total(client: FlaskClient) -> float:
    found = re.search(r"^{{cookiecutter.name}}_created_total (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_that_is_created_again_is_counted_once(make_app: MakeApp) -> None:
    app = make_app()
    client, sent = app.test_client(), values(app)

    for _ in range(2):
        assert client.post(URL, json=sent, headers=KEY).status_code == 201

    assert created_total(client) == 1


# {% endif %}
