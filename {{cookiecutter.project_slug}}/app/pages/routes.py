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
    # {% if cookiecutter.example and cookiecutter.database != "none" %}
    orders,
    # {% endif %}
    protection,
    # {% if cookiecutter.auth == "oidc" %}
    provider_login,
    # {% endif %}
    # {% if cookiecutter.example %}
    quotes,
    # {% endif %}
    # {% if not cookiecutter.example %}
    start,
    # {% endif %}
)

blueprint = Blueprint("pages", __name__, template_folder="templates")
blueprint.before_request(protection.refuse_repeated_parameters)
blueprint.before_request(protection.refuse_forged_forms)
blueprint.register_blueprint(assets.blueprint)
# {% if cookiecutter.example %}
blueprint.register_blueprint(quotes.blueprint)
# {% endif %}
# {% if cookiecutter.example and cookiecutter.database != "none" %}
blueprint.register_blueprint(orders.blueprint)
# {% endif %}
# {% if not cookiecutter.example %}
blueprint.register_blueprint(start.blueprint)
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
