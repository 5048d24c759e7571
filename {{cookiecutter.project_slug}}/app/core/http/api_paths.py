"""Where the API is served: the one place that code and tests read.

Change PREFIX, and every route of the API moves, with its document, its links and its tests.
"""

PREFIX = "/api/v1"
"""The prefix of each route of the API."""
ROOT = "/api"
"""Where the API's document and its page are served."""


def in_api(path: str) -> bool:
    """Return whether a path is one of the API, even if there is no route."""
    return path.startswith((f"{PREFIX}/", f"{ROOT}/"))
