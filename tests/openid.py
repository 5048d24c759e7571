"""An OpenID provider with a page of its own, for logins in a real browser.

Delete it when a provider from a package can be started on loopback in its place.
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
    """What a running provider knows."""

    issuer: str
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Return what a service has to be told."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_CLIENT_SECRET": SECRET,
        }

    def published(self, path: str) -> object:
        """Return the discovery document, or the keys."""
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/logout",
        }

    def login(self, asked: dict[str, str]) -> str:
        """Return where to send a browser back to."""
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def give(self, form: dict[str, str]) -> object:
        """Return what a code is good for."""
        asked = self.codes.pop(form["code"])
        digest = sha256(form["code_verifier"].encode()).digest()
        if asked["code_challenge"] != urlsafe_b64encode(digest).decode().rstrip("="):
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "ann",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            "email": "ann@shop.example",
        }
        token = jwt.encode({"alg": "ES256", "kid": "only"}, claims, KEY)
        return {"id_token": token, "access_token": "a", "token_type": "Bearer"}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider."""

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
                self._send(303, "text/html", "", provider.login(dict(parse_qsl(url.query))))
            else:
                given = provider.give(dict(parse_qsl(sent)))
                self._send(200, "application/json", json.dumps(given))

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
