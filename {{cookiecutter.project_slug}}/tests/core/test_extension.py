"""Tests of the objects that features store in an application."""

import pytest
from flask import Flask

from app.core.extension import Extension

numbers = Extension[list[int]]("numbers")


def test_each_application_has_its_own_value() -> None:
    one, other = Flask("one"), Flask("other")
    assert numbers.set(one, [1]) == [1]
    numbers.set(other, [2])

    assert (numbers.of(one), numbers.of(other)) == ([1], [2])
    assert one.extensions["numbers"] is numbers.of(one)
    with other.app_context():
        assert numbers.current is numbers.of(other)


def test_an_application_without_it_raises_an_error_that_names_init_app() -> None:
    with pytest.raises(RuntimeError, match=r"no 'numbers': call the init_app that sets it first"):
        numbers.of(Flask("one"))
    # {% if cookiecutter.tracing or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    assert numbers.get(Flask("one")) is None
    # {% endif %}
