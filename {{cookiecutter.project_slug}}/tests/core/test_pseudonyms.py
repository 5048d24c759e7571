from flask import Flask

from app.core import pseudonyms
from conftest import MakeApp


# {% if cookiecutter.auth == "jwt" %}
def test_addresses_of_one_network_have_one_pseudonym(app: Flask) -> None:
    with app.app_context():
        for one, other, same in (
            ("192.0.2.1", "192.0.2.1", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("2001:db8::1", "2001:db8::ffff:1", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("None", "None", True),
        ):
            found = pseudonyms.of_network(one) == pseudonyms.of_network(other)
            assert found is same, (one, other)


# {% endif %}
def test_pseudonyms_for_different_purposes_differ(app: Flask) -> None:
    with app.app_context():
        made = {
            pseudonyms.of_recipient("a"),
            pseudonyms.of_recipient("b"),
            # {% if cookiecutter.auth == "jwt" %}
            pseudonyms.of_account("a"),
            pseudonyms.of_network("a"),
            pseudonyms.of_state("a"),
            pseudonyms.of_state("a", "b"),
            # {% endif %}
        }
        made_again = pseudonyms.of_recipient("a")

    assert {len(each) for each in made} == {64}
    # {% if cookiecutter.auth == "jwt" %}
    assert len(made) == 6
    # {% endif %}
    assert len(made | {made_again}) == len(made) > 1


def test_nobody_finds_an_address_without_the_secret_key(app: Flask, make_app: MakeApp) -> None:
    with app.app_context():
        ours = pseudonyms.of_recipient("ada@mail.example")
    with make_app(secret_key="of another service").app_context():
        assert pseudonyms.of_recipient("ada@mail.example") != ours
