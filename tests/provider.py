"""A small OpenID Connect provider on loopback: it signs in whoever is said to sit there, without asking."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "lstm-lab", "a secret of the client"


class Provider:
    """Whoever comes is `person`, as (subject, name)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.person = ("1", "Ada")
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, tuple[str, tuple[str, str]]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.known),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def known(self, _request: Request) -> Response:
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        paths = dict(zip(names, ("authorize", "token", "keys"), strict=True))
        more = {"id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["code"]}
        return JSONResponse(
            {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in paths.items()}, **more}
        )

    async def keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        given = request.query_params
        code = f"code-{len(self._codes)}"
        self._codes[code] = (given.get("nonce", ""), self.person)
        return RedirectResponse(f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}")

    async def token(self, request: Request) -> Response:
        form = await request.form()
        nonce, (subject, name) = self._codes.pop(str(form["code"]))
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 600,
            "nonce": nonce,
            "name": name,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": signed})

    @property
    def secrets(self) -> str:
        """What Streamlit's secrets must say of it."""
        return (
            "[auth]\n"
            'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            'cookie_secret = "thirty-two signs that nobody knows"\n'
            f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )


@contextlib.contextmanager
def provide() -> Iterator[Provider]:
    """Run a provider in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        provider = Provider(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(provider.app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join(10)
