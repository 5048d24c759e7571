"""An OpenID provider for tests, in a separate process, and users with its tokens.

Each realm is an issuer with its own keys, so tests share only the process. Tokens are signed here
with the realm's private keys, so only what the service itself requests is sent over HTTP.
"""

import json
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from flask import Flask
from joserfc.jwk import ECKey, Key
from joserfc.jws import JWSRegistry

from tests import environments
from tests.waiting import HANG_TIMEOUT_SECONDS

# {% if not cookiecutter.web_ui %}
PROCESS = "tests.provider_process"
# {% else %}
PROCESS = "tests.login_process"
# {% endif %}
KEY = ECKey.generate_key("P-256", {"kid": "first", "use": "sig", "alg": "ES256"})
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"
# {% if cookiecutter.web_ui %}
TOKEN = "/token"  # noqa: S105  a path
CLIENT = {
    "id": str(environments.TESTING["oidc_client_id"]),
    "secret": str(environments.TESTING["oidc_client_secret"]),
    "redirect_uri": "http://127.0.0.1:8000/login/callback",
}
# {% endif %}


class OpenIDProvider:
    """A provider that runs during a `with` block."""

    def __enter__(self) -> Self:
        """Start the process."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            number = listening.fileno()
            self._process = subprocess.Popen(  # noqa: S603  nothing here comes from outside
                [sys.executable, "-BESs", "-m", PROCESS, str(number)],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                pass_fds=[number],
            )
        self._names = count()
        # A busy machine must not exceed the timeout.
        self._patience = pytest.MonkeyPatch()
        self._patience.setattr("app.core.access.jwks.FETCH_SECONDS", HANG_TIMEOUT_SECONDS)
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the process and wait for its end."""
        self._patience.undo()
        self._process.communicate()

    def realm(self, *keys: Key) -> "Realm":
        """Return a new issuer with these keys."""
        found = Realm(self, f"/realm-{next(self._names)}")
        found.describe()
        found.publish(*keys)
        return found

    # {% if cookiecutter.web_ui %}
    def location(self, path: str, body: str) -> str:
        """POST a body to the process; return the Location that it redirects to."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=HANG_TIMEOUT_SECONDS)
        connection.request("POST", path, body)
        response = connection.getresponse()
        connection.close()
        return str(response.headers["Location"])

    # {% endif %}
    def request(self, method: str, path: str, body: str | None = None) -> str:
        """Send a request to the process; return the body of the response."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=HANG_TIMEOUT_SECONDS)
        connection.request(method, path, body)
        response = connection.getresponse().read().decode()
        connection.close()
        return response


class Realm:
    """One issuer of a provider."""

    def __init__(self, provider: OpenIDProvider, path: str) -> None:
        self._provider = provider
        self._path = path
        self.issuer = f"http://127.0.0.1:{provider.port}{path}"

    def describe(self, **changes: object) -> None:
        """Serve the discovery document, with these changes."""
        document = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}{KEYS}",
            # {% if cookiecutter.web_ui %}
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}{TOKEN}",
            "end_session_endpoint": f"{self.issuer}/logout",
            # {% endif %}
            **changes,
        }
        self.set_response(DISCOVERY, json.dumps(document))

    # {% if cookiecutter.web_ui %}
    def register_client(self, **changes: str) -> None:
        """Register the tests' application as a client, with these changes."""
        client = {**CLIENT, "issuer": self.issuer, **changes}
        self._provider.request("PUT", f"{self._path}/client", json.dumps(client))

    def login(self, url: str, token_response: dict[str, Any]) -> str:
        """Log in at an authorization URL; return the URL that the browser is redirected to.

        `token_response` is the token response for the code.
        """
        path = url.removeprefix(self.issuer)
        return self._provider.location(f"{self._path}{path}", json.dumps(token_response))

    # {% endif %}
    def publish(self, *keys: Key | dict[str, Any]) -> None:
        """Serve exactly these keys."""
        public = [key if isinstance(key, dict) else key.as_dict(private=False) for key in keys]
        self.set_response(KEYS, json.dumps({"keys": public}))

    def set_response(
        self,
        path: str,
        *pieces: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
        seconds: float = 0,
    ) -> None:
        """Configure the response of a path: the body is sent in pieces, `seconds` before each."""
        response = {
            "status": status,
            "headers": headers or {},
            "pieces": pieces,
            "seconds": seconds,
        }
        self._provider.request("PUT", f"{self._path}{path}", json.dumps(response))

    def request_count(self, path: str) -> int:
        """Return the number of requests for a path since its response was configured."""
        return int(self._provider.request("GET", f"/request-count{self._path}{path}"))


def claims(issuer: str, subject: str = "user", **others: object) -> dict[str, Any]:
    """Return the claims of an ordinary access token of this issuer."""
    now = int(time.time())
    audience = environments.TESTING["oidc_audience"]
    return {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 60, **others}


def signed(claims: dict[str, Any], key: Key = KEY, **header: Any) -> str:  # noqa: ANN401  any value
    """Return a signed token, whose claims and header need not be valid."""
    full_header = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **header}
    content = f"{part(full_header)}.{part(claims)}"
    signature = JWSRegistry.algorithms[str(full_header["alg"])].sign(content.encode(), key)
    return f"{content}.{encoded(signature)}"


def part(value: object) -> str:
    """Return a value encoded as the header or payload of a token."""
    return encoded(json.dumps(value).encode())


def encoded(value: bytes) -> str:
    """Return bytes in base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(value).decode().rstrip("=")


def user_id(app: Flask, name: str = "user") -> UUID:
    """Return the id of a user by name. The user `admin` is an administrator."""
    del app
    return uuid5(uuid5(NAMESPACE_URL, str(environments.TESTING["oidc_issuer"])), name)


def authorization(app: Flask, name: str = "user") -> str:
    """Return the Authorization header of a user."""
    del app
    roles = {"realm_access": {"roles": ["admin"] if name == "admin" else []}}
    issuer = str(environments.TESTING["oidc_issuer"])
    return f"Bearer {signed(claims(issuer, name, **roles))}"
