"""Identifiers and their formats (contract, section 5). Standard library only: the command line imports this."""

from __future__ import annotations

import re
import secrets
import uuid

SANDBOX = re.compile(r"sb-[0-9a-f]{8}")
SESSION = re.compile(r"[0-9a-f]{8}")
READER = re.compile(r"[0-9a-f]{1,32}")
UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
API_KEY = re.compile(r"osb_[0-9a-f]{64}")
KEY_PREFIX_LENGTH = 8


def new_sandbox() -> str:
    return f"sb-{secrets.token_hex(4)}"


def new_session() -> str:
    return secrets.token_hex(4)


def new_uuid() -> str:
    return str(uuid.uuid4())


def new_preview_token() -> str:
    """256 bits in 43 characters (contract 2.1.1)."""
    return secrets.token_urlsafe(32)


def new_api_key() -> str:
    return f"osb_{secrets.token_hex(32)}"
