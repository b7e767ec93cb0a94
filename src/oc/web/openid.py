"""What we ask of an OpenID Connect provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1).

Nothing that it says is believed further than its signature goes, and no answer may be long or late.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt
import msgspec
import structlog

from oc.model.errors import Forbidden, OpenComputerError, Unavailable
from oc.settings import Settings

ALGORITHMS = ("RS256", "ES256")
CLAIMS = ("iss", "sub", "aud", "exp", "iat")
SCOPE = "openid email profile"
ANSWER_S = 10.0
LARGEST = 256 << 10
KEPT_S = 3600.0  # how long what it says about itself is believed
SKEW_S = 60
AGAIN = "try again; if it stays so, ask who runs this server: its log says more"
log = structlog.get_logger()
T = TypeVar("T")


class Trip(msgspec.Struct, frozen=True):
    """What ties an answer of the provider to the question."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class Identity(msgspec.Struct, frozen=True):
    """`email` is None unless the provider has verified it."""

    subject: str
    email: str | None
    name: str


class Document(msgspec.Struct, frozen=True):
    """What a provider says about itself (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str | None = None


class Provider:
    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer.rstrip("/")
        self._id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._tls: ssl.SSLContext | None = None
        self._document: tuple[float, Document] | None = None
        self._keys: list[jwt.PyJWK] = []

    async def question(self, trip: Trip) -> str:
        """Where a browser is to be sent. Raises Unavailable."""
        document = await self._about()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(trip.verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self._id,
            "redirect_uri": trip.redirect_uri,
            "scope": SCOPE,
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(document.authorization_endpoint).query else "?"
        return f"{document.authorization_endpoint}{joint}{urlencode(parameters)}"

    async def identity(self, code: str, trip: Trip) -> Identity:
        """Whom the code stands for. Raises Forbidden when that cannot be believed, Unavailable."""
        document = await self._about()
        tokens = await self._exchange(document, code, trip)
        claims = await self._verified(document, tokens.id_token)
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), trip.nonce.encode()):
            raise _not_believed("another nonce")
        if "email" not in claims and tokens.access_token and document.userinfo_endpoint:
            claims = await self._asked_further(document.userinfo_endpoint, tokens.access_token, claims)
        return _identity(self._issuer, claims)

    # --- what it says ---

    async def _about(self) -> Document:
        until, document = self._document or (0.0, None)
        if document is not None and time.monotonic() < until:
            return document
        found = await self._fetch("GET", f"{self._issuer}/.well-known/openid-configuration")
        document = _converted(found, Document)
        if document.issuer.rstrip("/") != self._issuer:
            raise _unusable(f"it calls itself {document.issuer[:200]}, oidc_issuer is {self._issuer}")
        for url in (document.authorization_endpoint, document.token_endpoint, document.jwks_uri):
            self._check(url)
        self._document = time.monotonic() + KEPT_S, document
        return document

    async def _exchange(self, document: Document, code: str, trip: Trip) -> Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": trip.redirect_uri,
            "code_verifier": trip.verifier,
        }
        headers = {}
        if self._secret and "client_secret_basic" in document.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._id, safe='')}:{quote(self._secret, safe='')}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._id} | ({"client_secret": self._secret} if self._secret else {})
        return _converted(await self._fetch("POST", document.token_endpoint, form, headers), Tokens)

    async def _verified(self, document: Document, token: str) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7). Raises Forbidden."""
        try:
            key = await self._key(document, jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._id,
                issuer=document.issuer,
                leeway=SKEW_S,
                options={"require": list(CLAIMS)},
            )
        except jwt.PyJWTError as error:
            raise _not_believed(str(error)) from error
        if claims.get("azp", self._id) != self._id:
            raise _not_believed("it is for another client")
        return claims

    async def _key(self, document: Document, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Providers change their keys: one that is not known is looked for once more. Raises Forbidden."""
        known = _matching(self._keys, header)
        if known is None:
            found = await self._fetch("GET", document.jwks_uri)
            self._keys = jwt.PyJWKSet.from_dict(found).keys
            known = _matching(self._keys, header)
        if known is None:
            raise _not_believed("it is signed with an unknown key")
        return known

    async def _asked_further(self, url: str, token: str, claims: dict[str, Any]) -> dict[str, Any]:
        """Some providers keep the e-mail address out of ID tokens (OpenID Connect Core 1.0, 5.3)."""
        self._check(url)
        more = await self._fetch("GET", url, headers={"Authorization": f"Bearer {token}"})
        if more.get("sub") != claims["sub"]:
            raise _not_believed("it answered about somebody else")
        return more | claims

    # --- how it is asked ---

    def _check(self, url: str) -> None:
        """Raises Unavailable for what would go over the network in the clear, unless the issuer does so itself."""
        if urlsplit(url).scheme != urlsplit(self._issuer).scheme:
            raise _unusable(f"{url[:200]} is not {urlsplit(self._issuer).scheme}")

    async def _fetch(
        self, method: str, url: str, form: dict[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A JSON object. Raises Unavailable, and Forbidden for what it refuses."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                httpx.AsyncClient(verify=self._tls, timeout=ANSWER_S) as client,
                client.stream(method, url, data=form, headers=asked) as answer,
            ):
                body = await _body(answer)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unusable(f"{url[:200]}: {error or 'no answer in time'}") from error
        if 400 <= answer.status_code < 500:
            raise _not_believed(f"{url[:200]} answered with {answer.status_code}")
        if answer.status_code != 200:
            raise _unusable(f"{url[:200]} answered with {answer.status_code}")
        return _object(body)


def new_trip(redirect_uri: str) -> Trip:
    return Trip(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), redirect_uri)


async def _body(answer: httpx.Response) -> bytes:
    """As it came, not unpacked: what is short may unpack to something long. Raises Unavailable."""
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise _unusable("its answer is too long")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise _unusable("its answer is not JSON") from error
    if not isinstance(found, dict):
        raise _unusable("its answer is no object")
    return found


def _converted(found: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise _unusable(f"its answer cannot be used: {error}") from error


def _matching(keys: list[jwt.PyJWK], header: Mapping[str, Any]) -> jwt.PyJWK | None:
    fitting = [key for key in keys if key.public_key_use in {None, "sig"}]
    if "kid" in header:
        return next((key for key in fitting if key.key_id == header["kid"]), None)
    return fitting[0] if len(fitting) == 1 else None


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    email = claims.get("email")
    is_verified = claims.get("email_verified") in (True, "true")  # a text at some providers
    return Identity(
        subject=f"{issuer} {claims['sub']}",
        email=email if is_verified and isinstance(email, str) else None,
        name=str(claims.get("name") or ""),
    )


def _not_believed(why: str) -> OpenComputerError:
    log.warning("OpenID Connect: refused", why=why)
    return Forbidden("the sign-in with your provider did not work", hint=AGAIN)


def _unusable(why: str) -> OpenComputerError:
    log.warning("OpenID Connect: provider cannot be used", why=why)
    return Unavailable("the provider that you sign in with cannot be used at the moment", hint=AGAIN)
