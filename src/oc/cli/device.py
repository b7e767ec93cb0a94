"""The calls of logging in and out, which are at the server's root (RFC 8628, contract 1.7)."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from oc.cli.api import Api
from oc.cli.errors import ApiError, CliError, Unreachable
from oc.cli.origin import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_S = 30.0
LARGEST = 64 << 10
OUTAGES = 2  # in a row, that are waited out
KEY = re.compile(r"osb_[0-9a-f]{64}")
AGAIN = "run oc login again"
ADVICE = {
    "authorization_expired": f"nobody approved it in time: {AGAIN}",
    "authorization_denied": "it was denied in the browser",
    "cli_login_unavailable": "this server has no login for command lines: set a key with oc config set api-key KEY",
    "invalid_request": "the server did not understand this oc: is it of another version?",
    "account_provisioning_unavailable": "the server cannot set the account up now: try again later",
    "credential_creation_failed": "the server could not make a key: try again later",
    "rate_limited": "too many logins: try again in some minutes",
}


class Asked:
    """What the server gave for a login. Raises Unreachable for what it must not be."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.device_code = str(answer["device_code"])
        self.user_code = str(answer["user_code"])
        self.page = str(answer["verification_uri"])
        self.page_with_code = str(answer["verification_uri_complete"])
        for name, address in (("verification_uri", self.page), ("verification_uri_complete", self.page_with_code)):
            if not _is_page(address) or not self.device_code or self.device_code in address:
                raise Unreachable(f"the server's {name} cannot be used")
        self.expires_s = _above_zero(answer, "expires_in")
        self.interval_s = _above_zero(answer, "interval")


class Granted:
    def __init__(self, answer: dict[str, Any]) -> None:
        """Raises Unreachable for what it must not be."""
        try:
            credential, user, org = answer["credential"], answer["user"], answer["org"]
            self.key = str(credential["key"])
            self.credential = {
                "id": credential["id"],
                "key_prefix": credential["key_prefix"],
                "name": credential["name"],
            }
            is_whole = bool(KEY.fullmatch(self.key) and user["id"] and org["id"])
        except (KeyError, TypeError) as error:
            raise Unreachable("the server's answer to the login lacks something") from error
        if not is_whole:
            raise Unreachable("the server's answer to the login cannot be used")


class Server:
    def __init__(self, url: str, key: str = "") -> None:
        """Raises CliError for a URL that cannot be."""
        self.origin = Origin(url)
        self.url = self.origin.url.removesuffix("/api")
        self.origin.path = self.origin.path.removesuffix("/api")
        self._api = Api(self.origin, key, LARGEST)

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read along: TLS, or no way at all."""
        return self.origin.secure or self.origin.host == "localhost" or _is_loopback(self.origin.host)

    def ask(self) -> Asked:
        needs = ("device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval")
        try:
            headers = {"Content-Type": "application/json"}
            answer = self._api.object("POST", "/auth/cli/device", needs=needs, answer_s=ANSWER_S, headers=headers)
        except ApiError as error:
            raise _advised(error) from error
        return Asked(answer)

    def wait(self, asked: Asked, name: str) -> Granted:
        """Until somebody has approved it. Raises CliError when nobody does."""
        deadline, outages, pause = time.monotonic() + asked.expires_s, 0, float(asked.interval_s)
        while time.monotonic() + pause < deadline:
            time.sleep(pause)
            try:
                answer = self._exchange(asked, name)
                outages = 0
            except (ApiError, Unreachable) as error:
                outages += 1
                if outages > OUTAGES or not _may_pass(error):
                    raise
                continue
            if answer["status"] == "authorized":
                return Granted(answer)
            pause = max(float(asked.interval_s), _seconds(answer.get("retry_after")))
        raise CliError(f"authorization_expired: {ADVICE['authorization_expired']}")

    def _exchange(self, asked: Asked, name: str) -> dict[str, Any]:
        body = {"device_code": asked.device_code, "credential_name": name}
        try:
            return self._api.object("POST", "/auth/cli/device/exchange", body, needs=("status",), answer_s=ANSWER_S)
        except ApiError as error:
            raise _advised(error) from error

    def revoke(self) -> None:
        """The key that this was made with; one that does not work is revoked already. Raises ApiError, Unreachable."""
        try:
            self._api.call("DELETE", "/auth/cli/credential", answer_s=ANSWER_S)
        except ApiError as error:
            if error.status not in {401, 404}:
                raise


def _advised(error: ApiError) -> ApiError:
    code = error.text.removeprefix("unauthorized: ")
    return ApiError(error.status, f"{code}: {ADVICE[code]}") if code in ADVICE else error


def _may_pass(error: CliError) -> bool:
    return not isinstance(error, ApiError) or error.status >= 500


def _is_page(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and address.isascii() and address.isprintable()


def _above_zero(answer: dict[str, Any], name: str) -> int:
    value = answer[name]
    if not isinstance(value, int) or value <= 0:
        raise Unreachable(f"the server's {name} is not a number of seconds")
    return value


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int) and value > 0 else 0.0


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
