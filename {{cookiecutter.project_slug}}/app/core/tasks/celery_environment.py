"""Remove the environment variables that Celery reads itself, before they change its configuration.

They take precedence over the configuration of an application: a variable of another service of the
same machine would replace BROKER_URL and its verification by TLS, or stop the start.
"""

import os
from collections.abc import MutableMapping

NAMES = (
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_CONFIG_MODULE",
    "CELERY_LOADER",
    "CELERY_RESULT_BACKEND",
)


def clean(environment: MutableMapping[str, str]) -> list[str]:
    """Remove the variables; return one sentence for each that was set."""
    return [
        f"{name} is ignored: the broker is set by BROKER_URL."
        for name in NAMES
        if environment.pop(name, "")
    ]


IGNORED = tuple(clean(os.environ))
