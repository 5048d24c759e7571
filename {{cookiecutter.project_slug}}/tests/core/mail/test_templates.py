from pathlib import Path

import pytest
from flask import Blueprint, Flask
from jinja2 import UndefinedError

from app.core.mail import queue, templates
from conftest import MakeApp

TEXT = """\
About << thing >>

<< lines | join("\\n") >>

Sent by << service_name >>.
""".replace("<<", "{" * 2).replace(">>", "}" * 2)


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Flask:
    (tmp_path / "list.txt").write_text(TEXT)
    app = make_app()
    app.register_blueprint(Blueprint("lists", __name__, template_folder=str(tmp_path)))
    return app


def test_the_first_line_is_the_subject_and_the_text_is_not_escaped(app: Flask) -> None:
    with app.app_context():
        subject, text = templates.render("list.txt", thing="Tea & cups", lines=["<a>", "b"])

    assert subject == "About Tea & cups"
    assert text == f"<a>\nb\n\nSent by {queue.PROJECT_NAME}.\n"


def test_a_missing_value_is_an_error(app: Flask) -> None:
    with app.app_context(), pytest.raises(UndefinedError, match="lines"):
        templates.render("list.txt", thing="tea")
