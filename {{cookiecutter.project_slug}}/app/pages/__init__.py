"""Server-rendered HTML pages, with one style sheet and no build step."""

from flask import Flask

from app.pages import (  # one line where it fits
    forms,
    # {% if cookiecutter.auth != "none" %}
    login_required,
    # {% endif %}
    protection,
    rendering,
)
from app.pages.routes import blueprint


def init_app(app: Flask) -> None:
    """Serve the pages, and render problems as pages for browsers."""
    protection.init_app(app)
    app.add_template_global(forms.form_errors)
    app.after_request(rendering.show_problem)
    app.register_blueprint(blueprint)
    # {% if cookiecutter.auth != "none" %}
    login_required.init_app(app)
    # {% endif %}
