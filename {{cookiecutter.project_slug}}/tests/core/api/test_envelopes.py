"""Envelopes and camelCase, in a domain that only this test has; the client checks the document."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields, validate

from app.core.api import Blueprint, document
from app.core.schemas import CamelCaseSchema, Integer, Timestamp, envelope, list_envelope
from conftest import MakeApp, body

URL = "/articles"
WHEN = datetime(2026, 11, 29, 12, tzinfo=UTC)
ARTICLE = {"title": "How to train", "tagList": ["dragons"], "wordCount": 3}


class NewArticleSchema(CamelCaseSchema):
    title = fields.String(required=True, validate=validate.Length(1, 20))
    tag_list = fields.List(fields.String(validate=validate.Length(1, 9)), load_default=list)
    word_count = Integer(load_default=0, validate=validate.Range(0, 9))
    note = fields.String(data_key="side_note")


class ArticleSchema(CamelCaseSchema):
    title = fields.String(required=True)
    tag_list = fields.List(fields.String(), required=True)
    created_at = Timestamp(required=True)


class SearchSchema(CamelCaseSchema):
    tag_name = fields.String()


@dataclass(frozen=True, slots=True)
class Article:
    title: str
    tag_list: list[str]
    created_at: datetime


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    blueprint = Blueprint("articles", __name__, description="Write articles")

    @blueprint.route("", methods=["POST"])
    @blueprint.arguments(envelope("article", NewArticleSchema))
    @blueprint.response(201, envelope("article", ArticleSchema))
    def create_article(new: dict[str, Any]) -> Any:  # noqa: ANN401  Flask's type has no dataclass
        """Return the article of the request."""
        return Article(new["title"], new["tag_list"], WHEN)

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(SearchSchema, location="query")
    @blueprint.response(200, list_envelope("articles", ArticleSchema, count="articlesCount"))
    def list_articles(query: dict[str, str]) -> dict[str, object]:
        """Return an article with the tag of the query."""
        return {"items": [Article("Tags", list(query.values()), WHEN)], "total": 3}

    app.register_blueprint(blueprint, url_prefix=URL)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_a_body_and_its_response_have_envelopes_and_camel_case(client: FlaskClient) -> None:
    response = client.post(URL, json={"article": ARTICLE})

    assert (response.status_code, response.json) == (
        201,
        {
            "article": {
                "title": "How to train",
                "tagList": ["dragons"],
                "createdAt": "2026-11-29T12:00:00+00:00",
            }
        },
    )


def test_a_list_has_an_envelope_and_the_number_of_all(client: FlaskClient) -> None:
    found = body(client.get(URL, query_string={"tagName": "dragons"}))

    assert found.keys() == {"articles", "articlesCount"}
    assert found["articlesCount"] == 3
    assert [article["tagList"] for article in found["articles"]] == [["dragons"]]


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ({}, {"#/article"}),
        (ARTICLE, {"#", "#/article"}),
        ({"article": {**ARTICLE, "title": ""}}, {"#/article/title"}),
        ({"article": {**ARTICLE, "wordCount": 10}}, {"#/article/wordCount"}),
        ({"article": {**ARTICLE, "tagList": ["a", ""]}}, {"#/article/tagList/1"}),
        ({"article": {**ARTICLE, "word_count": 1}}, {"#/article"}),
        ({"article": [ARTICLE]}, {"#/article"}),
        ({"article": ARTICLE, "more": 1}, {"#"}),
    ],
)
def test_errors_have_the_names_of_json(
    client: FlaskClient, sent: object, pointers: set[str]
) -> None:
    response = client.post(URL, json=sent)

    assert response.status_code == 422
    assert {error["pointer"] for error in body(response)["errors"]} == pointers


def test_an_unknown_field_is_answered_with_the_known_ones(client: FlaskClient) -> None:
    [error] = body(client.post(URL, json={"article": {**ARTICLE, "note": "a"}}))["errors"]
    assert error["detail"] == "Unknown field; known: side_note, tagList, title, wordCount."

    [error] = body(client.get(URL, query_string={"tag_name": "a"}))["errors"]
    assert error["detail"] == "Unknown field; known: tagName."


def test_the_document_has_the_names_of_json(app: Flask) -> None:
    described = document(app)
    schemas = described["components"]["schemas"]

    assert schemas["NewArticleEnvelope"]["required"] == ["article"]
    assert schemas["NewArticle"]["properties"].keys() == {
        "title",
        "tagList",
        "wordCount",
        "side_note",
    }
    assert set(schemas["Article"]["required"]) == {"title", "tagList", "createdAt"}
    assert set(schemas["ArticleListEnvelope"]["required"]) == {"articles", "articlesCount"}
    [parameter] = described["paths"][URL]["get"]["parameters"]
    assert parameter["name"] == "tagName"
