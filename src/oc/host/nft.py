"""nftables, by its own program: a ruleset is text, replaced in one transaction (nft(8))."""

from __future__ import annotations

from oc.host import process


async def replace(table: str, body: str) -> None:
    """Makes a table (family inet) what the text says, atomically: no packet sees half of it. Raises ProgramFailed."""
    text = f"table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n{body}\n}}\n"
    await process.run("nft", "-f", "-", input=text.encode())


async def add_element(table: str, set: str, element: str) -> None:
    """Fine when it is there already. Raises ProgramFailed."""
    await process.run("nft", "add", "element", "inet", table, set, f"{{ {element} }}")


async def remove_element(table: str, set: str, element: str) -> None:
    """Fine when it is not there: adding comes first, in the same transaction. Raises ProgramFailed."""
    one = f"element inet {table} {set} {{ {element} }}\n"
    await process.run("nft", "-f", "-", input=f"add {one}delete {one}".encode())


async def remove(table: str) -> None:
    """Removes a table; fine when there is none. Raises ProgramFailed."""
    await process.run("nft", "-f", "-", input=f"table inet {table}\ndelete table inet {table}\n".encode())
