"""Any table as a file: CSV for spreadsheets, JSON and Parquet for programs.

Rows come from an iterator and leave in pieces, so that a file of any length takes the same memory. Who makes
the table bounds its rows.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from django.db.models import TextChoices
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

BATCH_ROWS = 1000
# Parquet compresses columns of so many rows together.
ROW_GROUP_ROWS = 20_000
# For amounts and prices; what has more decimals is refused and not rounded.
DECIMAL_DIGITS, DECIMAL_PLACES = 38, 6
# A spreadsheet takes what begins with one of these as a formula, also in the full width of East Asian fonts. Where
# lists are written with semicolons, as in Hungary, a cell begins behind each of them, quoted or not.
_FORMULA = re.compile(r'\A(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])("*)(?=[=+\-@＝＋－＠])')


class Format(TextChoices):
    """The value is also the extension of a file's name."""

    CSV = "csv", "CSV"
    JSON = "json", "JSON"
    PARQUET = "parquet", "Parquet"


CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON: "application/json",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Kind(Enum):
    """What a column holds, beside None."""

    TEXT = "text"  # whatever str() makes of it, such as a UUID
    INTEGER = "integer"  # of 64 bits
    REAL = "real"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    MOMENT = "moment"  # a datetime that knows its zone
    DOCUMENT = "document"  # what JSON can say


class Column(NamedTuple):
    name: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is what its file is called; `cut_at` the number of rows, where there would be more."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    cut_at: int | None = None

    def file_name(self, format: Format) -> str:
        """Says whether the file has all rows: in it there is no place for that."""
        part = f"-first-{self.cut_at}-rows" if self.cut_at is not None else ""
        return f"{self.name}{part}.{format}"


def download(table: Table, format: Format) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": content_disposition_header(True, table.file_name(format)) or "attachment",
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(written(table, format), content_type=CONTENT_TYPES[format], headers=headers)


def written(table: Table, format: Format) -> Iterator[bytes]:
    """The pieces of the file."""
    return _WRITERS[format](table)


def _csv(table: Table) -> Iterator[bytes]:
    """RFC 4180, in UTF-8 with the mark that it is: spreadsheets show accents wrong without.

    Moments are ISO 8601 with their offset. A text that would be a formula begins with an apostrophe.
    """
    yield b"\xef\xbb\xbf" + _lines([[column.name for column in table.columns]])
    cells = [_CELLS[column.kind] for column in table.columns]
    for batch in _batches(table.rows, BATCH_ROWS):
        yield _lines(
            ["" if value is None else cell(value) for cell, value in zip(cells, row, strict=True)] for row in batch
        )


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _json(table: Table) -> Iterator[bytes]:
    """An array with an object in each line. Decimals are numbers."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    names = [column.name for column in table.columns]
    values = [_VALUES.get(column.kind) for column in table.columns]
    separator = b"[\n"
    for batch in _batches(table.rows, BATCH_ROWS):
        objects = (encode(dict(zip(names, _converted(row, values), strict=True))) for row in batch)
        yield separator + b",\n".join(objects)
        separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


def _parquet(table: Table) -> Iterator[bytes]:
    """Typed columns, compressed by Zstandard; moments are UTC, documents are texts of JSON."""
    # Costs some 40 MB of memory, which only processes that write such a file have to pay.
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    types = {
        Kind.TEXT: pyarrow.string(),
        Kind.INTEGER: pyarrow.int64(),
        Kind.REAL: pyarrow.float64(),
        Kind.BOOLEAN: pyarrow.bool_(),
        Kind.DECIMAL: pyarrow.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
        Kind.MOMENT: pyarrow.timestamp("us", tz="UTC"),
        Kind.DOCUMENT: pyarrow.string(),
    }
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in table.columns])
    values = [_json_text if column.kind is Kind.DOCUMENT else _VALUES.get(column.kind) for column in table.columns]
    pieces = _Pieces()
    with ParquetWriter(pieces, schema, compression="zstd") as writer:
        for batch in _batches(table.rows, ROW_GROUP_ROWS):
            columns = zip(*(_converted(row, values) for row in batch), strict=True)
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield pieces.take()
    yield pieces.take()


class _Pieces(io.RawIOBase):
    """What is written, to be taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _batches(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def _converted(row: Sequence[Any], values: Sequence[Callable[[Any], Any] | None]) -> Iterator[Any]:
    for convert, value in zip(values, row, strict=True):
        yield value if convert is None or value is None else convert(value)


def _harmless(value: object) -> str:
    return _FORMULA.sub(r"\1'", str(value))


def _word(value: bool) -> str:
    return "true" if value else "false"


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


def _json_text(document: object) -> str:
    return msgspec.json.encode(document).decode()


_CELLS: Mapping[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _harmless,
    Kind.INTEGER: str,
    Kind.REAL: str,
    Kind.BOOLEAN: _word,
    Kind.DECIMAL: _plain,
    Kind.MOMENT: datetime.isoformat,
    Kind.DOCUMENT: lambda document: _harmless(_json_text(document)),
}
_VALUES: Mapping[Kind, Callable[[Any], Any]] = {Kind.TEXT: str}
_WRITERS: Mapping[Format, Callable[[Table], Iterator[bytes]]] = {
    Format.CSV: _csv,
    Format.JSON: _json,
    Format.PARQUET: _parquet,
}
