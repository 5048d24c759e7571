"""What `make domain` runs in a service: `migrate`, `makemigration` or `docs`, as the Makefile of the service does.

A job runs this file inside the service's folder (see forkserver.py), with the step, the URL of the database
and the message of the migration as arguments. Delete it together with `test_domain.py`.
"""

import importlib
import sys

COMMANDS = {
    "docs": [["write-docs"]],
    "makemigration": [["db", "migrate", "--message"]],
    "migrate": [["db", "upgrade"]],
}


def main(step: str, database: str, message: str) -> None:
    """Run the commands of one step; each must succeed."""
    settings = importlib.import_module("app.settings").Settings
    testing = {**importlib.import_module("tests.environments").TESTING}
    if "database_url" in settings.model_fields:
        testing["database_url"] = database
    if "oidc_issuer" in settings.model_fields:
        testing["oidc_issuer"] = "http://127.0.0.1:1/realms/none"
    app = importlib.import_module("app").create_app(settings.model_validate(testing))
    for command in COMMANDS[step]:
        arguments = [*command, message] if message else command
        done = app.test_cli_runner().invoke(args=arguments)
        print("$ flask", *arguments, "\n", done.output)
        if done.exit_code:
            raise AssertionError(done.output) from done.exception


if __name__ == "__main__":
    main(*sys.argv[1:])
