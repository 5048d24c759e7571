import pytest
from flask import Flask

from app.core import access
from app.core.access.scopes import Scopes
from app.core.api import Blueprint
from conftest import MakeApp
from tests import toy


def test_a_role_holds_what_each_domain_gives_it() -> None:
    scopes = Scopes(("user", "admin"))
    scopes.declare({"notes:read": ("user", "admin"), "notes:write": ("admin",)})
    scopes.declare({"drafts:read": ("user",)})

    assert scopes.of_role("user") == {"notes:read", "drafts:read"}
    assert scopes.of_role("admin") == {"notes:read", "notes:write"}


def test_an_unknown_role_is_named() -> None:
    scopes = Scopes(("user", "admin"))
    sentence = "'notes:read' is given to unknown roles: editor; the roles are user, admin"
    with pytest.raises(LookupError, match=sentence):
        scopes.declare({"notes:read": ("user", "editor")})
    with pytest.raises(LookupError, match="no role 'editor'; the roles are user, admin"):
        scopes.of_role("editor")


def test_a_scope_belongs_to_one_domain() -> None:
    scopes = Scopes(("user", "admin"))
    scopes.declare({"notes:read": ("user",)})

    with pytest.raises(ValueError, match="'notes:read' is declared twice"):
        scopes.declare({"notes:read": ("admin",)})
    assert scopes.of_role("admin") == frozenset()


def test_each_application_has_scopes_of_its_own(app: Flask, make_app: MakeApp) -> None:
    own = toy.init_app(make_app())

    with own.app_context():
        assert "notes:write" in access.scopes_of("admin")
    with app.app_context():
        assert "notes:write" not in access.scopes_of("admin")


def test_a_route_that_requires_what_no_domain_declares_stops_the_start(make_app: MakeApp) -> None:
    blueprint = Blueprint("drafts", __name__, description="Write drafts")
    blueprint.requires("drafts:raed")(str)

    with pytest.raises(LookupError, match="no domain declares these scopes: drafts:raed; declare"):
        make_app().register_blueprint(blueprint)
