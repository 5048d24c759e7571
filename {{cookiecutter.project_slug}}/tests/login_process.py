"""The tests' OpenID provider with login: `python -m tests.login_process <listening socket>`.

A POST to the authorization URL logs a user in; its body is the token response to return for the
code. A code is valid once, for the client that it was issued to. A PUT of <realm>/client registers
the client.
"""

import base64
import hashlib
import json
import secrets
from urllib.parse import parse_qsl, quote_plus, urlencode

from tests.provider_process import Handler, serve

codes: dict[str, dict[str, str]] = {}


class LoginHandler(Handler):
    """Handles the requests of the authorization code flow."""

    def do_POST(self) -> None:  # noqa: N802  as http.server calls it
        """Log a user in, or exchange a code; or send the response configured for the path."""
        path, _, query = self.path.partition("?")
        realm, _, name = path.rpartition("/")
        if path in self.server.responses:
            self.respond()
        elif name == "authorize":
            self._login(dict(parse_qsl(query)), self.server.responses[f"{realm}/client"])
        else:
            self._exchange_code(
                dict(parse_qsl(self.body())), self.server.responses[f"{realm}/client"]
            )

    def _login(self, parameters: dict[str, str], client: dict[str, str]) -> None:
        """Redirect a browser back with a code (RFC 6749, section 4.1.2)."""
        required = {
            "response_type": "code",
            "client_id": client["id"],
            "redirect_uri": client["redirect_uri"],
            "code_challenge_method": "S256",
        }
        if (
            not required.items() <= parameters.items()
            or "openid" not in parameters["scope"].split()
        ):
            self.send(400, {}, b"")
            return
        code = secrets.token_urlsafe()
        codes[code] = {"challenge": parameters["code_challenge"], "token_response": self.body()}
        callback = {"code": code, "state": parameters["state"], "iss": client["issuer"]}
        self.send(303, {"Location": f"{client['redirect_uri']}?{urlencode(callback)}"}, b"")

    def _exchange_code(self, form: dict[str, str], client: dict[str, str]) -> None:
        """Exchange a code for its token response (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
        credentials = f"{quote_plus(client['id'])}:{quote_plus(client['secret'])}"
        basic = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        if self.headers["Authorization"] != (basic if client["secret"] else None):
            self.send(401, {}, json.dumps({"error": "invalid_client"}).encode())
            return
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        found = codes.pop(form["code"], {"challenge": ""})
        if (
            form["grant_type"] != "authorization_code"
            or form["redirect_uri"] != client["redirect_uri"]
            or form.get("client_id", client["id"]) != client["id"]
            or found["challenge"] != base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        ):
            self.send(400, {}, json.dumps({"error": "invalid_grant"}).encode())
            return
        self.send(200, {}, found["token_response"].encode())


if __name__ == "__main__":
    serve(LoginHandler)
