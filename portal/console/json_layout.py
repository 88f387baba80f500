"""Lays JSON text out over indented lines without changing one of its values.

Reading it and writing it again would lose repeated names, 1.10, 1e400 and integers beyond 2^53.
"""

import json
import re
from typing import NoReturn

MAX_CHARACTERS = 4_000_000
_INDENT = "  "
# A vector is easier to read on one line, where it fits.
_LINE_CHARACTERS = 48
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
    position = depth = characters = 0
    while position < len(lexemes):
        lexeme = piece = lexemes[position]
        if lexeme in "[{":
            short_end = _short_end(lexemes, position)
            if short_end:
                piece = _on_one_line(lexemes[position:short_end])
                position = short_end - 1
            else:
                depth += 1
                piece = lexeme + "\n" + _INDENT * depth
        elif lexeme in "]}":
            depth -= 1
            piece = "\n" + _INDENT * depth + lexeme
        elif lexeme == ",":
            piece = ",\n" + _INDENT * depth
        elif lexeme == ":":
            piece = ": "
        position += 1
        characters += len(piece)
        if characters > MAX_CHARACTERS:
            raise ValueError("too much indentation")
        pieces.append(piece)
    return "".join(pieces)


def _short_end(lexemes: list[str], start: int) -> int:
    """Where a list of plain values that fits on a line, or an empty list or object, ends; else 0."""
    if lexemes[start + 1] in "]}":
        return start + 2
    if lexemes[start] == "{":
        return 0
    room = _LINE_CHARACTERS
    for position in range(start + 1, len(lexemes)):
        lexeme = lexemes[position]
        room -= len(lexeme)
        if lexeme == "]":
            return position + 1
        if room < 0 or lexeme in "[{":
            return 0
    return 0


def _on_one_line(lexemes: list[str]) -> str:
    return "".join(", " if lexeme == "," else lexeme for lexeme in lexemes)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
