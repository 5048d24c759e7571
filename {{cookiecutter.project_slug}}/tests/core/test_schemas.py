"""Fields accept exactly what the API document states."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from marshmallow import ValidationError, fields

from app.core import schemas

SOME_ID = "5f0c9a52-6a0e-4f57-9d3f-0c9f2b6f2a7e"


@pytest.mark.parametrize(
    ("value", "read"),
    [(1, 1), (1.0, 1), (-3.0, -3), (0, 0), (2**53 - 1, 2**53 - 1), (-(2**53) + 1, -(2**53) + 1)],
)
def test_an_integer_may_have_a_fraction_of_zero(value: float, read: int) -> None:
    found = schemas.Integer().deserialize(value)

    assert (type(found), found) == (int, read)


@pytest.mark.parametrize(
    "value", [1.5, "1", True, None, [], {}, "", 2**53, -(2**53), 1e300, float("inf"), float("nan")]
)
def test_a_json_value_that_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        schemas.Integer().deserialize(value)


def test_an_integer_in_a_url_is_written_in_one_way() -> None:
    assert schemas.IntegerParameter().deserialize("-12") == -12
    for value in ("", "+1", " 1", "1 ", "01", "1_000", "1.0", "1e3", "٣", "-", "9" * 5_000, "1\n"):
        with pytest.raises(ValidationError):
            schemas.IntegerParameter().deserialize(value)
    with pytest.raises(ValidationError):
        schemas.IntegerParameter().deserialize(str(2**53))


def test_a_uuid_is_written_in_one_way() -> None:
    for value in (SOME_ID, SOME_ID.upper()):
        assert schemas.UUID().deserialize(value) == UUID(SOME_ID)
    for other in (
        "{" + SOME_ID + "}",
        f"urn:uuid:{SOME_ID}",
        SOME_ID.replace("-", ""),
        "",
        1,
        None,
    ):
        with pytest.raises(ValidationError):
            schemas.UUID().deserialize(other)


def test_a_time_is_written_as_in_rfc_3339() -> None:
    for value in ("2026-11-28T12:00:00Z", "2026-11-28t13:00:00.0000001+01:00"):
        assert schemas.Timestamp().deserialize(value) == datetime(2026, 11, 28, 12, tzinfo=UTC)
    for other in ("2026-11-28T12:00:00", "2026-11-28 12:00:00Z", "2026-11-28T12:00Z", 1, None):
        with pytest.raises(ValidationError):
            schemas.Timestamp().deserialize(other)


def test_a_date_is_written_as_in_rfc_3339() -> None:
    assert schemas.Date().deserialize("2026-11-28") == date(2026, 11, 28)
    for other in ("20261128", "2026-W48-6", "2026-11-31", "2026-11-28T12:00:00Z", "", 1, None):
        with pytest.raises(ValidationError):
            schemas.Date().deserialize(other)


def test_a_boolean_is_that_of_json() -> None:
    for value in (True, False):
        assert schemas.Boolean().deserialize(value) is value
    others: list[object] = [1, 0, "true", "false", "", None, []]
    for other in others:
        with pytest.raises(ValidationError):
            schemas.Boolean().deserialize(other)


class RequestSchema(schemas.Schema):
    text = fields.String(required=True)
    copies = fields.Integer(load_default=1)


class ChangeSchema(schemas.PartialSchema, RequestSchema):
    pass


def test_a_change_holds_only_what_was_sent() -> None:
    assert RequestSchema().load({"text": "a"}) == {"text": "a", "copies": 1}
    assert ChangeSchema().load({}) == {}
    assert ChangeSchema().load({"text": "a"}) == {"text": "a"}
    for wrong in ({"text": None}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            ChangeSchema().load(wrong)


def test_a_pattern_describes_all_of_a_text() -> None:
    field = fields.String(validate=schemas.FullMatch("[a-z]{1,3}", error="Must be emails: {x}."))

    assert field.deserialize("abc") == "abc"
    for other in ("abc\n", "abcd", "1abc", ""):
        with pytest.raises(ValidationError, match="Must be emails"):
            field.deserialize(other)
