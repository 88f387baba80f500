"""The request-response service: rows of text in, rows of features out.

The body is a table, `{"Inputs": {"input1": {"ColumnNames": [...], "Values": [[...]]}}}`, or a list of
row objects, `{"Inputs": {"input1": [{"Col2": "..."}]}}`. The answer is a table; with `format=swagger`
in the query it is a list of row objects. `ColumnTypes` comes only with `details=true`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from examples.azureml.errors import ServiceError
from examples.azureml.model import INPUT_NAME, OUTPUT_NAME, Model

# 2**22 values make an answer of about 16 MiB.
MAX_VALUES = 2**22
MEMORY_MB = MAX_VALUES * 64 // 2**20


def read_body(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a request. Raises ServiceError."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ServiceError("RequestBodyInvalid") from error
    if not isinstance(value, dict):
        raise ServiceError("RequestBodyInvalid")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def refuse_global_parameters(body: Mapping[str, Any]) -> None:
    """The model has no parameters: the object is empty, null or left out."""
    parameters = body.get("GlobalParameters")
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise ServiceError("RequestBodyInvalid", target="GlobalParameters")
    for name in parameters:
        raise ServiceError("UnexpectedParameter", target=name)


def execute(body: Mapping[str, Any], model: Model, *, details: bool, as_rows: bool) -> dict[str, Any]:
    """Score the input of a request. Raises ServiceError."""
    refuse_global_parameters(body)
    texts = read_texts(_only_input(body), model)
    if len(texts) * 2**model.bits > MAX_VALUES:
        raise ServiceError("OutOfMemoryLimit", (str(MEMORY_MB),), INPUT_NAME)
    columns = model.feature_columns
    rows = [model.score(text) for text in texts]
    if as_rows:
        return {"Results": {OUTPUT_NAME: [dict(zip(columns, row, strict=True)) for row in rows]}}
    types = {"ColumnTypes": ["Numeric"] * len(columns)} if details else {}
    table = {"ColumnNames": columns, **types, "Values": rows}
    return {"Results": {OUTPUT_NAME: {"type": "DataTable", "value": table}}}


def _only_input(body: Mapping[str, Any]) -> Any:
    inputs = body.get("Inputs")
    if not inputs:
        raise ServiceError("MissingRequestInput", target=INPUT_NAME)
    if not isinstance(inputs, dict):
        raise ServiceError("RequestBodyInvalid", target="Inputs")
    strangers = [name for name in inputs if name != INPUT_NAME]
    if strangers:
        raise ServiceError("InvalidInputNames", (", ".join(strangers)[:200],), strangers[0][:200])
    if inputs[INPUT_NAME] is None:
        raise ServiceError("MissingRequestInput", target=INPUT_NAME)
    return inputs[INPUT_NAME]


def read_texts(table: Any, model: Model) -> list[str | None]:
    """The texts of a table or of a list of row objects. Raises ServiceError."""
    if isinstance(table, list):
        return [_text_of_row_object(row, number, model) for number, row in enumerate(table, 1)]
    if not isinstance(table, dict):
        raise ServiceError("InputMismatchError", target=INPUT_NAME)
    names, rows = table.get("ColumnNames"), table.get("Values")
    if names != [model.text_column] or not isinstance(rows, list):
        raise ServiceError("InputMismatchError", target=INPUT_NAME)
    return [_text_of_row(row, number) for number, row in enumerate(rows, 1)]


def _text_of_row_object(row: Any, number: int, model: Model) -> str | None:
    if not isinstance(row, dict) or list(row) != [model.text_column]:
        raise ServiceError("InputMismatchError", target=INPUT_NAME)
    return _text(row[model.text_column], number)


def _text_of_row(row: Any, number: int) -> str | None:
    if not isinstance(row, Sequence) or isinstance(row, str):
        raise _parse_error(f"row {number} is not a list")
    if len(row) != 1:
        raise _parse_error(f"row {number} has {len(row)} values for 1 column")
    return _text(row[0], number)


def _text(value: Any, number: int) -> str | None:
    """A text as it is; a number, which clients send for texts such as "5", as JSON writes it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    raise _parse_error(f"the value of row {number} is not a text")


def _parse_error(why: str) -> ServiceError:
    return ServiceError("InputParseError", (why,), INPUT_NAME)
