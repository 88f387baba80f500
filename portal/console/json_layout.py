"""Lays JSON text out over indented lines without changing one of its values.

Reading it and writing it again would lose repeated names, 1.10, 1e400 and integers beyond 2^53.
"""

import json
import re
from typing import NoReturn

MAX_CHARACTERS = 4_000_000
_INDENT = "  "
_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')


def lay_out(text: str) -> str:
    """Raises ValueError where the text is not JSON (RFC 8259), or would grow beyond MAX_CHARACTERS.

    Indentation lets deeply nested text grow with the square of its length.
    """
    try:
        # Numbers stay text: turning a long one into an integer takes quadratic time.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    lexemes = _LEXEME.findall(text)
    pieces: list[str] = []
    depth = characters = 0
    for position, lexeme in enumerate(lexemes):
        piece = lexeme
        if lexeme in "[{":
            depth += 1
            if lexemes[position + 1] not in "]}":
                piece = lexeme + "\n" + _INDENT * depth
        elif lexeme in "]}":
            depth -= 1
            if lexemes[position - 1] not in "[{":
                piece = "\n" + _INDENT * depth + lexeme
        elif lexeme == ",":
            piece = ",\n" + _INDENT * depth
        elif lexeme == ":":
            piece = ": "
        characters += len(piece)
        if characters > MAX_CHARACTERS:
            raise ValueError("too much indentation")
        pieces.append(piece)
    return "".join(pieces)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
