"""The errors of forms, for the list above a form."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask_wtf import FlaskForm
from wtforms import Field, FieldList, Form, HiddenField

MISSING = "Fill this in."


@dataclass(frozen=True, slots=True)
class FormError:
    """An error in a form, for the list above it."""

    field_id: str
    sentence: str


def form_errors(form: FlaskForm) -> Iterator[FormError]:
    """Yield the errors of a form: first those of the whole form, then those of each field."""
    for sentence in form.form_errors:
        _, first = next(_fields(form))
        yield FormError(first.id, sentence)
    for label, field in _fields(form):
        for sentence in field.errors:
            yield FormError(field.id, f"{label}: {sentence}")


def _fields(form: Form, prefix: str = "") -> Iterator[tuple[str, Field]]:
    for field in form:
        if isinstance(field, FieldList):
            for number, entry in enumerate(field, start=1):
                yield from _fields(entry.form, f"{field.label.text} {number}, ")
        elif not isinstance(field, HiddenField):
            yield f"{prefix}{field.label.text}", field
