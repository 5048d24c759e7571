"""The base class of all schemas, and fields that accept exactly what the OpenAPI document states.

Unknown fields are refused, and messages never repeat the input.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

UNKNOWN_FIELD = "Unknown field"
# RFC 8259, section 6: integers up to here are the same number to every reader of JSON.
MAX_INTEGER = 2**53 - 1

FULL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)

Validators = Callable[[Any], Any] | Iterable[Callable[[Any], Any]]


class Schema(ma.Schema):
    """A schema that accepts only the fields it declares; the error for another field lists them."""

    class Meta:
        """Settings that every schema inherits."""

        unknown = ma.RAISE

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        super().__init__(**options)
        known = ", ".join(
            sorted(field.data_key or name for name, field in self.load_fields.items())
        )
        self.error_messages = {
            **self.error_messages,
            "unknown": f"{UNKNOWN_FIELD}; known: {known}.",
        }


class PartialSchema(Schema):
    """A schema whose fields may all be absent, for PATCH: what is absent stays as it is."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        super().__init__(**{**options, "partial": True})


class CamelCaseSchema(Schema):
    """A schema whose fields are snake_case in Python and camelCase in JSON, in both directions.

    Errors, the API document and the list of known fields have the names of JSON. A field with a
    `data_key` keeps it.
    """

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Name the field (a hook of marshmallow)."""
        field_obj.data_key = field_obj.data_key or camel_case(field_name)


def camel_case(name: str) -> str:
    """Return `createdAt` for `created_at`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


class _Envelope(Schema):
    """An object with one member, which Python code does not see."""

    @ma.pre_dump
    def wrap(self, value: object, **_options: object) -> dict[str, object]:
        """Put what a view returns into the envelope."""
        [name] = self.fields
        return {name: value}

    @ma.post_load
    def unwrap(self, data: Mapping[str, Any], **_options: object) -> Any:  # noqa: ANN401  any item
        """Return what a view reads."""
        [value] = data.values()
        return value


def envelope(name: str, item: type[Schema]) -> type[ma.Schema]:
    """Return the schema of an object in an envelope: `{"note": {…}}` for the name `note`.

    As the schema of a body it gives a view the object inside; as the schema of a response it takes
    the object that a view returns. For `NoteSchema` it is called `NoteEnvelopeSchema`.
    """
    inside = fields.Nested(item, required=True)
    return _Envelope.from_dict({name: inside}, name=f"{_stem(item)}EnvelopeSchema")


def list_envelope(name: str, item: type[Schema], *, count: str) -> type[ma.Schema]:
    """Return the schema of a list and the number of all: `{"notes": […], "notesCount": 3}`.

    Here `name` is `notes` and `count` is `notesCount`. A view returns a mapping with `items` and
    `total`. For `NoteSchema` it is called `NoteListEnvelopeSchema`.
    """
    members: dict[str, fields.Field[Any]] = {
        name: fields.List(fields.Nested(item), required=True, attribute="items"),
        count: Integer(required=True, attribute="total", validate=validate.Range(min=0)),
    }
    return Schema.from_dict(members, name=f"{_stem(item)}ListEnvelopeSchema")


def _stem(item: type[Schema]) -> str:
    return item.__name__.removesuffix("Schema")


class FullMatch(validate.Validator):
    r"""Accepts a text that a pattern matches from its first to its last character.

    Python's `$` alone allows a final line break. The pattern is part of the OpenAPI document, so
    it must compile everywhere (RE2, ECMA-262): no lookaround, no backreference, no `\Z`. `pattern`
    has no anchors; `error` is the message for a text that does not match.
    """

    def __init__(self, pattern: str, *, error: str) -> None:
        self.regex = re.compile(f"^{pattern}$")  # apispec documents this attribute
        self.sentence = error

    def __call__(self, value: str) -> str:
        """Return the text.

        Raises:
            ValidationError: when the pattern does not match all of it.

        """
        if not self.regex.fullmatch(value):
            raise ma.ValidationError(self.sentence)
        return value


class Integer(fields.Integer):
    """An integer as JSON Schema defines it (2020-12, validation, 6.1.1): 1.0 is one, "1" is not.

    Without a range of its own it accepts integers that every JSON parser represents exactly.
    """

    def __init__(self, *, validate: Validators | None = None, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        super().__init__(strict=True, validate=validate or _exact(), **options)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> int:
        whole = isinstance(value, float) and value.is_integer()
        return super()._deserialize(int(value) if whole else value, attr, data, **kwargs)


class IntegerParameter(fields.Integer):
    """An integer in a URL or a header, written as in JSON: no +, no spaces, no 1_000."""

    def __init__(self, *, validate: Validators | None = None, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        super().__init__(validate=validate or _exact(), **options)

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> int:
        if not re.fullmatch("-?(0|[1-9][0-9]{0,18})", value):
            raise ma.ValidationError(self.error_messages["invalid"])
        return super()._deserialize(value, attr, data, **kwargs)


class Boolean(fields.Boolean):
    """A boolean of JSON: 1 and "true" are none."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> bool:
        if not isinstance(value, bool):
            raise ma.ValidationError(self.error_messages["invalid"])
        return super()._deserialize(value, attr, data, **kwargs)


class Date(fields.Date):
    """A date in the form of RFC 3339, which is `format: date` of JSON Schema."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> date:
        if not (isinstance(value, str) and FULL_DATE.fullmatch(value)):
            message = "Must be a date (RFC 3339)."
            raise ma.ValidationError(message)
        return super()._deserialize(value, attr, data, **kwargs)


class UUID(fields.UUID):
    """A UUID in the form of RFC 9562, section 4, which is `format: uuid` of JSON Schema."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> Any:  # noqa: ANN401  marshmallow's own
        found = super()._deserialize(value, attr, data, **kwargs)
        if str(found) != str(value).lower():
            raise ma.ValidationError(self.error_messages["invalid_uuid"])
        return found


class Timestamp(fields.AwareDateTime):
    """A date and time in the form of RFC 3339, which is `format: date-time` of JSON Schema."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> datetime:
        if not (isinstance(value, str) and RFC_3339.fullmatch(value)):
            message = "Must be a date and time with a zone (RFC 3339)."
            raise ma.ValidationError(message)
        return super()._deserialize(value.upper(), attr, data, **kwargs)


def _exact() -> validate.Range:
    return validate.Range(-MAX_INTEGER, MAX_INTEGER)
