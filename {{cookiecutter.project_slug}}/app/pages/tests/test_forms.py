from flask import Flask
from flask_wtf import FlaskForm
from wtforms import FieldList, Form, FormField, HiddenField, StringField

from app.pages import forms


class PageForm(Form):
    text = StringField("Text")


class BookForm(FlaskForm):
    key = HiddenField()
    title = StringField("Title")
    pages = FieldList(FormField(PageForm), "Page", min_entries=2)


def test_the_errors_of_a_form_come_first_and_then_those_of_each_field(app: Flask) -> None:
    with app.test_request_context("/"):
        form = BookForm(meta={"csrf": False})
        form.form_errors.append("This book exists.")
        form.title.errors = ["Fill this in."]
        form.pages[1].form.text.errors = ["Must be shorter."]

        found = list(forms.form_errors(form))

    assert [(error.field_id, error.sentence) for error in found] == [
        ("title", "This book exists."),
        ("title", "Title: Fill this in."),
        ("pages-1-text", "Page 2, Text: Must be shorter."),
    ]
