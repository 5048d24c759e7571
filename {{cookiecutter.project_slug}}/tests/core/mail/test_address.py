import pytest
from marshmallow import ValidationError

from app.core.mail import EmailField
from app.core.mail.address import EMAIL_LENGTH
from app.core.schemas import Schema


class WriterSchema(Schema):
    """A schema with an email address."""

    email = EmailField(required=True)


def test_a_field_loads_the_one_spelling_of_an_address() -> None:
    assert WriterSchema().load({"email": "Ada@MAIL.example"}) == {"email": "ada@mail.example"}


def test_a_field_refuses_what_is_no_address() -> None:
    with pytest.raises(ValidationError) as refused:
        WriterSchema().load({"email": "Ada <ada@mail.example>"})

    assert refused.value.messages == {
        "email": ["Must be an email address in ASCII, such as ada@example.com."]
    }


def test_a_field_is_described_in_the_api_document() -> None:
    described = EmailField(metadata={"description": "Who is written to"}).metadata

    assert described["description"] == "Who is written to"
    assert (described["format"], described["maxLength"]) == ("email", EMAIL_LENGTH)
