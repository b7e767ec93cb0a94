"""nftables, by its own program: a ruleset is text, replaced in one transaction (nft(8))."""

from __future__ import annotations

from oc.host import process


async def replace(table: str, body: str) -> None:
    """Makes a table (family inet) what the text says, atomically: no packet sees half of it. Raises ProgramFailed."""
    text = f"table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n{body}\n}}\n"
    await process.run("nft", "-f", "-", input=text.encode())


async def remove(table: str) -> None:
    """Removes a table; fine when there is none. Raises ProgramFailed."""
    await process.run("nft", "-f", "-", input=f"table inet {table}\ndelete table inet {table}\n".encode())
