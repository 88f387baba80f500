"""Markdown as the plain text of a mail: the words, in lines, with the addresses of links."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

# As portal.markdown reads it; tables stay as they were typed.
_PARSER = MarkdownIt("commonmark", {"html": False}).disable("image")


def plain_text(source: str) -> str:
    blocks: list[str] = []
    # Numbers of the open lists; None for one with bullets.
    lists: list[int | None] = []
    marker = ""
    for token in _PARSER.parse(source):
        if token.type == "bullet_list_open":
            lists.append(None)
        elif token.type == "ordered_list_open":
            lists.append(int(token.attrGet("start") or 1))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif token.type == "list_item_open":
            number = lists[-1]
            marker = "  " * (len(lists) - 1) + ("- " if number is None else f"{number}. ")
            lists[-1] = None if number is None else number + 1
        elif token.type == "inline":
            blocks.append(marker + _words(token.children or ()).replace("\n", "\n" + " " * len(marker)))
            marker = " " * len(marker) if lists else ""
        elif token.type in ("fence", "code_block"):
            blocks.append(token.content.rstrip())
        elif token.type == "hr":
            blocks.append("-" * 20)
    return "\n\n".join(blocks)


def _words(tokens: Sequence[Token]) -> str:
    """A link that stands alone has its address in the next line; others have it behind the words."""
    alone = len(tokens) > 1 and tokens[0].type == "link_open" and tokens[-1].type == "link_close"
    parts: list[str] = []
    words_from, href = 0, ""
    for token in tokens:
        if token.type == "link_open":
            words_from, href = len(parts), str(token.attrGet("href") or "")
        elif token.type == "link_close":
            if href and "".join(parts[words_from:]) != href:
                parts.append(f":\n{href}" if alone else f" <{href}>")
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        else:
            parts.append(token.content)
    return "".join(parts)
