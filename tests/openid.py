"""A simulated OpenID provider with a login page, for tests in a real browser.

Delete it when a package offers a provider that tests can start on loopback.
"""

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

AUDIENCE, CLIENT, SECRET = "https://orders.example", "shop", "known to both"
KEY = ECKey.generate_key("P-256", {"kid": "only", "use": "sig", "alg": "ES256"})
PAGE = """<!doctype html><html lang="en"><title>Provider</title><main><h1>Provider</h1>
<form method="post"><button>Continue as Ann</button></form></main></html>"""


@dataclass
class Provider:
    """An OpenID provider, with the authorization codes that it has issued."""

    issuer: str
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Return the settings of a service that uses this provider."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_CLIENT_SECRET": SECRET,
        }

    def published(self, path: str) -> object:
        """Return the provider's metadata, or its keys."""
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/logout",
        }

    def authorize(self, request: dict[str, str]) -> str:
        """Issue a code for an authorization request; return the redirect with the code."""
        code = secrets.token_urlsafe()
        self.codes[code] = request
        parameters = {"code": code, "state": request["state"], "iss": self.issuer}
        return f"{request['redirect_uri']}?{urlencode(parameters)}"

    def exchange(self, form: dict[str, str]) -> object:
        """Exchange a code for tokens: the response of the token endpoint."""
        request = self.codes.pop(form["code"])
        digest = sha256(form["code_verifier"].encode()).digest()
        if request["code_challenge"] != urlsafe_b64encode(digest).decode().rstrip("="):
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "ann",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            "nonce": request["nonce"],
            "email": "ann@shop.example",
        }
        token = jwt.encode({"alg": "ES256", "kid": "only"}, claims, KEY)
        return {"id_token": token, "access_token": "a", "token_type": "Bearer"}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in {"/authorize", "/logout"}:
                self._send(200, "text/html", PAGE)
            else:
                self._send(200, "application/json", json.dumps(provider.published(path)))

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if url.path == "/authorize":
                self._send(303, "text/html", "", provider.authorize(dict(parse_qsl(url.query))))
            else:
                tokens = provider.exchange(dict(parse_qsl(sent)))
                self._send(200, "application/json", json.dumps(tokens))

        def _send(self, status: int, kind: str, body: str, location: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()
