"""Colours XML and HTML in time that grows with the text's length only.

Pygments' own lexers look for the end of a comment or a tag anew at each of their beginnings: 60 kB
of `&` or `<!--` keep them busy for 5 to 20 seconds.
"""

from pygments.lexer import RegexLexer
from pygments.token import Comment, Name, Operator, Punctuation, String, Text


class MarkupLexer(RegexLexer):
    name = "Markup"
    # Each pattern either takes all that it can or stops at once: none looks ahead without a bound.
    tokens = {
        "root": [
            (r"[^<&]+", Text),
            (r"&#?\w{1,32};", Name.Entity),
            (r"<!--", Comment, "comment"),
            (r"<!\[CDATA\[", Comment, "cdata"),
            (r"<[?!]", Comment, "declaration"),
            (r"</?[\w:.\-]+", Name.Tag, "tag"),
            (r"[<&]", Text),
        ],
        "comment": [(r"-->", Comment, "#pop"), (r"[^\-]+", Comment), (r"-", Comment)],
        "cdata": [(r"\]\]>", Comment, "#pop"), (r"[^\]]+", Text), (r"\]", Text)],
        "declaration": [(r"[^>]+", Comment), (r">", Comment, "#pop")],
        "tag": [
            (r"\s+", Text),
            (r"/?>", Name.Tag, "#pop"),
            (r"[^\s=<>/\"']+", Name.Attribute),
            (r"=", Operator),
            (r'"', String, "double"),
            (r"'", String, "single"),
            (r"(?=<)", Text, "#pop"),
            (r"/", Punctuation),
        ],
        "double": [(r'[^"]+', String), (r'"', String, "#pop")],
        "single": [(r"[^']+", String), (r"'", String, "#pop")],
    }
