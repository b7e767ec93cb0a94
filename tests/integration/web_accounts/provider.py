"""An OpenID Connect provider of the tests' own: it signs in whoever it is told to, and can be made to cheat."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from oc.server.main import listener
from tests.integration.server.stub import serving

CLIENT, SECRET = "opencomputer", "a secret: of/the client"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FOREIGN_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Provider:
    """`claims` go into the ID token over what is right; None takes one out."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)  # at the userinfo endpoint
    document: dict[str, Any] = field(default_factory=dict)  # over what is right
    key: Any = KEY
    algorithm: str = "RS256"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    answers_with: bytes | None = None  # at the token endpoint

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.about),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
                Route("/keys", self.keys),
            ]
        )

    async def about(self, _: Request) -> Response:
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return JSONResponse(right | self.document)

    async def keys(self, _: Request) -> Response:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        return JSONResponse({"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 302)

    async def token(self, request: Request) -> Response:
        if self.answers_with is not None:
            return Response(self.answers_with, media_type="application/json")
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        known = asked and _base64(challenge).decode() == asked["code_challenge"]
        if not asked or not known or asked["redirect_uri"] != form["redirect_uri"] or not _is_client(request):
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": "access", "token_type": "Bearer", "id_token": self._token(asked["nonce"])})

    async def userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer access"
        return JSONResponse({"sub": "1", **self.more})

    def _token(self, nonce: str) -> str:
        at = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": at, "exp": at + 3600, "nonce": nonce}
        right |= {"email": "carol@corp.example", "email_verified": True, "name": "Carol"}
        claims = {name: value for name, value in (right | self.claims).items() if value is not None}
        if self.algorithm == "HS256":
            return _by_public_key(claims)
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": "one"})


def _by_public_key(claims: dict[str, Any]) -> str:
    """Algorithm confusion (RFC 8725, 2.1): what everybody knows as an HMAC's secret. Libraries refuse to."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "one"}
    signed = b".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (signed + b"." + _base64(hmac.digest(public, signed, "sha256"))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _is_client(request: Request) -> bool:
    pair = "opencomputer:a%20secret%3A%20of%2Fthe%20client"  # RFC 6749, 2.3.1
    return request.headers.get("authorization") == f"Basic {base64.b64encode(pair.encode()).decode()}"


def code_and_state(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    listening, made = listener("127.0.0.1:0"), Provider()
    made.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    configured = uvicorn.Config(made.app, lifespan="off", log_config=None)
    async with serving(configured, listening):
        yield made
