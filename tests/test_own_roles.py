"""A role that the owner of a service adds, in one file and one migration."""

import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from bakery import Bakery, FailedCheckError

EDITOR = '    EDITOR = "editor"\n'
GIVE = """
from datetime import UTC, datetime
from uuid import UUID

from app import create_app
from app.core import access
from app.core.database import writing
from app.roles import Role
from app.users import service
from app.users.models import User

somebody = UUID(int=1)
app = create_app()
access.declare_scopes(app, {"drafts:write": ("editor", "admin")})
with app.app_context():
    now = datetime.now(UTC)
    with writing() as transaction:
        user = User(id=somebody, email="ed@shop.example", password_hash="", created_at=now)
        transaction.add(user)
        user.role = Role.EDITOR
    assert service.role_of(somebody) is Role.EDITOR
    assert access.scopes_of(service.role_of(somebody)) == {"drafts:write"}
"""


@pytest.mark.slow
def test_a_role_is_added_by_one_line_and_one_migration(bakery: Bakery, tmp_path: Path) -> None:
    baked = bakery.bake({"database": "sqlite", "auth": "jwt"})
    project = Path(shutil.copytree(baked, tmp_path / "service"))
    variables = [
        "APP_ENV=testing",
        "FLASK_SKIP_DOTENV=1",
        f"DATABASE_URL=sqlite:///{tmp_path}/x.db",
    ]
    run = partial(bakery.command, folder=project)
    database = ["env", *variables, sys.executable, "-m", "flask", "--app", "app", "db"]
    run([*database, "upgrade"])
    roles = project / "app" / "roles.py"
    roles.write_text(roles.read_text() + EDITOR)
    with pytest.raises(FailedCheckError, match="New upgrade operations detected"):
        run([*database, "check"])

    run([*database, "migrate", "--message", "Add the role editor"])
    run([*database, "upgrade"])

    run([*database, "check"])
    run(["env", *variables, sys.executable, "-c", GIVE])
    suite = ["app/admin", "app/users/tests/test_admin_service.py", "tests/core/access"]
    bakery.run(bakery.job("suite", project, "requirements-dev.txt", arguments=suite))
