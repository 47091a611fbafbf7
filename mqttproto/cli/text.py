"""How strings and numbers are put before people's eyes."""

__all__ = ["amount", "quoted", "visible"]


def visible(text: str) -> str:
    r"""``text`` with its unprintable characters as ``\n``, ``\x1b``, ``\u202e`` and so on.

    Those are all that could drive a terminal or reorder a line: control and format characters,
    every space but the plain one, and what is no character at all.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(text: str) -> str:
    r"""``text`` in double quotes, with ``\`` before those in it and before backslashes."""
    return '"' + visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def amount(count: int) -> str:
    """A number of bytes in words."""
    return "1 byte" if count == 1 else f"{count} bytes"
