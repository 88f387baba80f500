"""What the documents say is there: files that they link to, and tests that they name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROMISES = (ROOT / "docs" / "gateway.md").read_text()
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def names_of_tests(file: str) -> set[str]:
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_holds_a_promise_exists():
    named = set(NAMED_TEST.findall(PROMISES))
    found = {file: names_of_tests(file) for file, _ in named}
    assert {f"{file}::{name}" for file, name in named if name not in found[file]} == set()


def test_every_promise_names_a_test():
    tables = re.findall(r"^\|[^\n]* Test \|\n\| [-| ]+ \|\n((?:\|[^\n]*\n)+)", PROMISES, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert [row for row in rows if not NAMED_TEST.search(row)] == []
    assert len(rows) > 100


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
