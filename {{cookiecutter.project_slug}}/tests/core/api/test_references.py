import pytest

from app.core.api.references import UnknownReference, refers
from app.core.errors import NotFound


def test_a_reference_to_nothing_is_pointed_at() -> None:
    with pytest.raises(UnknownReference) as refused, refers("note_id"):
        raise NotFound

    assert refused.value.members["errors"] == [
        {"in": "body", "pointer": "#/note_id", "detail": "There is no such resource."}
    ]
