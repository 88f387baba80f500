"""What is wrong with a policy document, and where."""

from collections.abc import Callable


def _(text: str) -> str:
    """Marks a text for the catalogues. Whoever shows it has it translated, for the compiler knows no Django."""
    return text


class PolicyError(ValueError):
    """`text` has a placeholder for each of `values`; `line` and `column` count from 1."""

    def __init__(self, text: str, line: int, column: int, /, **values: object) -> None:
        self.text, self.line, self.column, self.values = text, line, column, values
        self.message = text % values
        super().__init__(self.worded())

    def worded(self, translate: Callable[[str], str] = str) -> str:
        place = {"line": self.line, "column": self.column}
        message = translate(self.text) % self.values
        return translate(_("%(message)s (line %(line)s, column %(column)s)")) % {"message": message, **place}
