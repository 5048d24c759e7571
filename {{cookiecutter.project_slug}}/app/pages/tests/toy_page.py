"""A page for tests of the pages, with a form for a note. It belongs to no domain of the service.

`init_app` adds it to an application that only one test uses. No login is required.
"""

from flask import Blueprint, Flask, Response, request

from app.pages import rendering

PATH = "/toy"
NOTE = {"text": "Buy tea"}
MAX_LENGTH = 100

templates = Blueprint("toy_page", __name__, template_folder="templates")


def write_note() -> Response:
    """Show the form, and on submission the note; a form without a text is a bad request."""
    text = request.form["text"] if request.method == "POST" else ""
    return rendering.page("toy.html", 422 if len(text) > MAX_LENGTH else 200, text=text)


def init_app(app: Flask) -> Flask:
    """Serve the page among those of the service, and return the application."""
    app.register_blueprint(templates)
    # The endpoint belongs to the blueprint of all pages, whose checks then protect it.
    app.add_url_rule(PATH, "pages.toy", write_note, methods=["GET", "POST"])
    return app
