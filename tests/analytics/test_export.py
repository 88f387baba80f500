"""Any table as CSV, JSON and Parquet, read back by what users read them with."""

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pyarrow import types
from pyarrow.parquet import ParquetFile

from analytics.export import ROW_GROUP_ROWS, Column, Format, Kind, Table, download, written

BUDAPEST = ZoneInfo("Europe/Budapest")
GUID = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
COLUMNS = [
    Column("guid"),
    Column("name"),
    Column("calls", Kind.INTEGER),
    Column("took_ms", Kind.REAL),
    Column("is_live", Kind.BOOLEAN),
    Column("amount", Kind.DECIMAL),
    Column("at", Kind.MOMENT),
    Column("headers", Kind.DOCUMENT),
]
AT = datetime(2026, 3, 1, 0, 30, 0, 250_000, BUDAPEST)
FULL = [GUID, 'Árvíztűrő, "quoted"\r\nline', 2**53 + 1, 1.5, True, Decimal("0.400"), AT, [["Accept", "*/*"]]]
EMPTY = [None] * len(COLUMNS)


def content(rows, format: Format, columns=COLUMNS) -> bytes:
    return b"".join(written(Table("table", columns, rows), format))


def test_csv_is_read_back():
    text = content([FULL, EMPTY], Format.CSV).decode("utf-8-sig")
    full, empty = csv.DictReader(io.StringIO(text, newline=""))
    assert full == {
        "guid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "name": 'Árvíztűrő, "quoted"\r\nline',
        "calls": "9007199254740993",
        "took_ms": "1.5",
        "is_live": "true",
        "amount": "0.400",
        "at": "2026-03-01T00:30:00.250000+01:00",
        "headers": '[["Accept","*/*"]]',
    }
    assert set(empty.values()) == {""}


def test_csv_says_that_it_is_utf_8_and_ends_lines_as_the_standard_wants():
    assert content([["ő", "é"]], Format.CSV, [Column("a"), Column("b")]) == b"\xef\xbb\xbfa,b\r\n\xc5\x91,\xc3\xa9\r\n"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t1", "'\t1"),
        ("\r1", "'\r1"),
        ("\n1", "'\n1"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("/a?b;=1+1", "/a?b;'=1+1"),
        ('/a?b;"=1+1', "/a?b;\"'=1+1"),
        ("/a?b;c=1;d=-1", "/a?b;c=1;d=-1"),
        ("＝1+1", "'＝1+1"),
        ("/a?b=-1", "/a?b=-1"),
        ("", ""),
    ],
    ids=ascii,
)
def test_no_text_becomes_a_formula(text, cell):
    written_text = content([[text]], Format.CSV, [Column("a")]).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(written_text, newline="")), {"a": ""})["a"] == cell


@pytest.mark.parametrize("text", ["/a?x;=1+1", '/a?x;"=1+1', "/a?x;@a", "/a?x\n=1+1", "=1;=2"], ids=ascii)
def test_no_text_becomes_a_formula_where_semicolons_part_cells(text):
    """As in the spreadsheets of Hungary and Germany, which open a list with commas by their own rules."""
    columns = [Column("a"), Column("b"), Column("c", Kind.DOCUMENT)]
    written_text = content([["x", text, [["cookie", text]]]], Format.CSV, columns).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(written_text, newline=""), delimiter=";") for cell in row]
    assert len(cells) > 1
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_document_stays_json_that_can_be_read():
    written_text = content([[{"url": "/a;=1"}]], Format.CSV, [Column("a", Kind.DOCUMENT)]).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(written_text, newline=""))
    assert json.loads(row["a"]) == {"url": "/a;'=1"}


def test_negative_numbers_stay_numbers():
    columns = [Column("a", Kind.INTEGER), Column("b", Kind.DECIMAL)]
    assert content([[-1, Decimal("-0.5")]], Format.CSV, columns).endswith(b"\r\n-1,-0.5\r\n")


def test_json_is_read_back():
    full, empty = json.loads(content([FULL, EMPTY], Format.JSON), parse_float=Decimal)
    assert full == {
        "guid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "name": 'Árvíztűrő, "quoted"\r\nline',
        "calls": 2**53 + 1,
        "took_ms": Decimal("1.5"),
        "is_live": True,
        "amount": Decimal("0.400"),
        "at": "2026-03-01T00:30:00.250000+01:00",
        "headers": [["Accept", "*/*"]],
    }
    assert set(empty.values()) == {None}


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_json_is_one_array_whatever_the_number_of_rows(count):
    assert json.loads(content(([n] for n in range(count)), Format.JSON, [Column("n", Kind.INTEGER)])) == [
        {"n": n} for n in range(count)
    ]


def test_parquet_is_read_back_with_its_types():
    table = ParquetFile(io.BytesIO(content([FULL, EMPTY], Format.PARQUET))).read()
    full, empty = table.to_pylist()
    assert full == {
        "guid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "name": 'Árvíztűrő, "quoted"\r\nline',
        "calls": 2**53 + 1,
        "took_ms": 1.5,
        "is_live": True,
        "amount": Decimal("0.4"),
        "at": datetime(2026, 2, 28, 23, 30, 0, 250_000, UTC),
        "headers": '[["Accept","*/*"]]',
    }
    assert set(empty.values()) == {None}
    at = table.schema.field("at").type
    assert (types.is_timestamp(at), at.tz) == (True, "UTC")
    assert types.is_decimal(table.schema.field("amount").type)
    assert types.is_boolean(table.schema.field("is_live").type)


def test_parquet_without_rows_has_its_columns():
    table = ParquetFile(io.BytesIO(content([], Format.PARQUET))).read()
    assert (table.num_rows, table.column_names) == (0, [column.name for column in COLUMNS])


def test_parquet_keeps_the_order_of_many_rows():
    count = 2 * ROW_GROUP_ROWS + 1
    file = ParquetFile(io.BytesIO(content(([n] for n in range(count)), Format.PARQUET, [Column("n", Kind.INTEGER)])))
    assert file.num_row_groups == 3
    assert file.read().column("n").to_pylist() == list(range(count))


@pytest.mark.parametrize("format", Format)
def test_rows_are_asked_for_as_the_reader_goes_on(format):
    asked = 0

    def rows():
        nonlocal asked
        while True:
            asked += 1
            yield [asked]

    pieces = written(Table("endless", [Column("n", Kind.INTEGER)], rows()), format)
    for _ in range(3):
        next(pieces)
    assert asked <= 3 * ROW_GROUP_ROWS


@pytest.mark.parametrize(
    ("cut_at", "name"), [(None, "calls.csv"), (100_000, "calls-first-100000-rows.csv")], ids=["all", "cut"]
)
def test_name_of_a_file_says_whether_it_is_cut(cut_at, name):
    answer = download(Table("calls", [Column("a")], [], cut_at), Format.CSV)
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["Cache-Control"] == "no-store"


def test_processes_that_write_no_parquet_do_not_pay_for_it():
    script = """
import sys
from django.conf import settings
settings.configure()
from analytics.export import Column, Format, Table, written
list(written(Table("t", [Column("a")], [["x"]]), Format.CSV))
print("pyarrow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
