"""The blueprint that contains all pages."""

from flask import Blueprint

from app.pages import (  # one line where it fits
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.database != "none" %}
    account,
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    account_changes,
    accounts,
    # {% endif %}
    assets,
    # {% if cookiecutter.auth == "jwt" %}
    login,
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    orders,
    # {% endif %}
    protection,
    # {% if cookiecutter.auth == "oidc" %}
    provider_login,
    # {% endif %}
    quotes,
)

blueprint = Blueprint("pages", __name__, template_folder="templates")
blueprint.before_request(protection.refuse_repeated_parameters)
blueprint.before_request(protection.refuse_forged_forms)
blueprint.register_blueprint(assets.blueprint)
blueprint.register_blueprint(quotes.blueprint)
# {% if cookiecutter.database != "none" %}
blueprint.register_blueprint(orders.blueprint)
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
blueprint.register_blueprint(login.blueprint)
blueprint.register_blueprint(accounts.blueprint)
blueprint.register_blueprint(account_changes.blueprint)
# {% endif %}
# {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.database != "none" %}
blueprint.register_blueprint(account.blueprint)
# {% endif %}
# {% if cookiecutter.auth == "oidc" %}
blueprint.register_blueprint(provider_login.blueprint)
# {% endif %}
