"""What one sandbox may take of the proxy. Sizes in bytes, times in seconds."""

from __future__ import annotations

CONNECTIONS = 256  # open at a time, of one sandbox
REFUSALS = 64  # beyond these: they are told why, and more are closed without a word
LOOKUPS = 8  # names being resolved at a time, for one sandbox
EVENTS_PER_SECOND = 20  # reported refusals of one sandbox; the rest is dropped

HEAD = 64 * 1024  # of a request or an answer: request line and headers
HELLO = 64 * 1024  # TLS ClientHello with all its records
WHOLE_BODY = 1024 * 1024  # bodies of a known length up to this are changed as a whole and keep an exact Content-Length
INFLATED = 4 * 1024 * 1024  # what one piece (64 KiB) of a compressed answer may become
POLICY_FILE = 8 * 1024 * 1024

GREETING = 0.3  # silence of a client after which the server is given the word (SMTP, FTP, MySQL speak first)
HEAD_SECONDS = 60.0
RESOLVE_SECONDS = 15.0
CONNECT_SECONDS = 10.0  # to each address of a name
HTTP_IDLE = 15 * 60
RAW_IDLE = 2 * 60 * 60
LINGER = 60.0  # for a slow reader to take the end of what it was sent
RECHECK_SECONDS = 2.0  # live connections against the policy of now

STREAM_WINDOW = 1024 * 1024  # HTTP/2: what a peer may send on one stream before it was passed on
CONNECTION_WINDOW = 4 * 1024 * 1024
STREAM_BACKLOG = 256 * 1024  # HTTP/2: waits for a slow reader's window before the writer is stopped
QUEUED_EVENTS = 256  # of at most 64 KiB, wait for an upstream connection that is being made
REPLY_BUFFER = 1024 * 1024  # answers to a peer's own frames (PING, SETTINGS) that it does not read
