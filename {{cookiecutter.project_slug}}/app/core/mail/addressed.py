"""Request bodies with an optional email address."""

from app.core.mail.address import EmailField
from app.core.schemas import Schema


class AddressedSchema(Schema):
    """A request that is also answered by email if it names an address."""

    email = EmailField(
        metadata={"description": "Where an email about it is sent", "example": "ada@example.com"}
    )
