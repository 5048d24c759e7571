from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from marshmallow import ValidationError
from sqlalchemy import select

from app.core.api.pagination import (
    DEFAULT_LIMIT,
    Page,
    PageQuery,
    Position,
    decode_cursor,
    encode_cursor,
    page_schema,
    select_page,
)
from app.core.database import reading, writing
from conftest import MakeApp
from tests import toy
from tests.toy_tables import WHEN, Note

pytestmark = pytest.mark.usefixtures("toy_tables")

SOME_PLACE = Position(WHEN + timedelta(microseconds=1), UUID(int=7))
LIST, OTHER_LIST = "/api/docs", "/api/openapi.json"


def test_pages_follow_each_other_without_a_gap(app: Flask) -> None:
    # Pairs have the same time, so that the id determines their order.
    kept = [Note(id=UUID(int=n), created_at=WHEN + timedelta(seconds=n // 2)) for n in range(5)]
    with app.app_context(), writing() as session:
        session.add_all(kept)

    seen: list[int] = []
    sizes = []
    place = None
    with app.app_context(), reading() as connection:
        while True:
            query = select_page(
                select(Note.id, Note.created_at), Note.created_at, Note.id, 2 + 1, place
            )
            page = Page.of(connection.execute(query).all(), 2)
            seen += [row.id.int for row in page.items]
            sizes.append(len(page.items))
            place = page.next
            if place is None:
                break

    assert seen == [4, 3, 2, 1, 0]
    assert sizes == [2, 2, 1]


def test_the_schema_of_a_page_is_named_after_its_items() -> None:
    schema = page_schema(toy.NoteSchema)

    assert schema.__name__ == "NotePageSchema"
    assert schema().fields.keys() == {"items", "next_cursor"}


def test_a_page_shows_a_cursor_of_its_end(app: Flask) -> None:
    rows = [Note(id=UUID(int=n)) for n in range(3)]
    with app.test_request_context(LIST):
        first, last = Page.of(rows, 2), Page.of(rows, 3)

        assert first.as_dict() == {
            "items": rows[:2],
            "next_cursor": encode_cursor(Position(WHEN, UUID(int=1))),
        }
        assert last.as_dict() == {"items": rows, "next_cursor": None}


@pytest.mark.attack
def test_a_cursor_leads_on_in_its_list_alone(app: Flask, make_app: MakeApp) -> None:
    with app.test_request_context(LIST):
        cursor = encode_cursor(SOME_PLACE)
        query = PageQuery().load({"cursor": cursor})
        assert query == {"limit": DEFAULT_LIMIT, "cursor": SOME_PLACE}

        changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
        for wrong in (changed, cursor[:-4], cursor + "AAAA", "", "é", "***", toy.URL):
            with pytest.raises(ValueError, match="not a cursor of this list"):
                decode_cursor(wrong)
            with pytest.raises(ValidationError, match="Must be a next_cursor of this list"):
                PageQuery().load({"cursor": wrong})
    with app.test_request_context(OTHER_LIST), pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(cursor)
    other = make_app(secret_key="b" * 64)
    with other.test_request_context(LIST), pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(cursor)
