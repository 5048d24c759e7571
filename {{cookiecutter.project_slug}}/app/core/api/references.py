"""References between resources: an id in a body must be that of a resource the principal can see."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import NotFound, Unprocessable


class UnknownReference(Unprocessable):
    """A field of the body refers to a resource that does not exist, or not for this principal."""

    code = "unknown_reference"
    detail = "A value refers to a resource that does not exist. `errors` names it."

    def __init__(self, field: str) -> None:
        sentence = "There is no such resource."
        super().__init__(
            members={"errors": [{"in": "body", "pointer": f"#/{field}", "detail": sentence}]}
        )


@contextmanager
def refers(field: str) -> Iterator[None]:
    """Raise UnknownReference for this field of the body when the block raises NotFound."""
    try:
        yield
    except NotFound:
        raise UnknownReference(field) from None
