from flask.testing import FlaskClient

from app.{{cookiecutter.name}}.tests import URL, VALUES
from conftest import body


def test_{{cookiecutter.article}}_{{cookiecutter.singular}}_is_checked_and_returned(client: FlaskClient) -> None:
    response = client.post(URL, json=VALUES)

    assert response.status_code == 200
    assert response.json == VALUES


# {% if cookiecutter._optional %}
def test_what_may_be_absent_has_its_default(client: FlaskClient) -> None:
    defaults = {
        # {% for field in cookiecutter._fields if field.default %}
        "{{field.attribute}}": {{field.default}},
        # {% endfor %}
    }
    sent = {name: value for name, value in VALUES.items() if name not in defaults}

    response = client.post(URL, json=sent)

    assert response.status_code == 200
    assert response.json == {**VALUES, **defaults}


# {% endif %}
def test_every_wrong_value_is_named_at_once(client: FlaskClient) -> None:
    wrong = {
        # {% for field in cookiecutter._fields %}
        "{{field.attribute}}": {{field.wrong}},
        # {% endfor %}
    }

    response = client.post(URL, json={**wrong, "colour": "red"})

    assert response.status_code == 422
    pointers = {error["pointer"] for error in body(response)["errors"]}
    assert pointers == {"#", *(f"#/{name}" for name in wrong)}
