"""Runs batch jobs: CSV in, CSV out, in a few threads, one job in each."""

import csv
import io
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from examples.azureml.batch import find_blob, results_of
from examples.azureml.errors import ServiceError
from examples.azureml.jobs import Job, JobStore, State
from examples.azureml.model import INPUT_NAME, OUTPUT_NAME, Model
from examples.azureml.storage import client, sas
from examples.azureml.storage.blob_reference import BlobReference

RESULT_VALID = timedelta(days=1)
MAX_FIELD_CHARACTERS = 2**20
# How long a stop waits for jobs to notice it.
STOP_SECONDS = 1.0
# Rows between two looks at whether the job was cancelled.
_ROWS_PER_CHECK = 256

logger = logging.getLogger(__name__)


class JobCancelled(Exception):
    pass


class BadInput(Exception):
    """The input cannot be scored; the text is meant for the caller."""


class BatchRunner:
    """Start it after the service answers: jobs may read from the service's own blob endpoint."""

    def __init__(
        self,
        jobs: JobStore,
        model: Model,
        *,
        folder: Path,
        workers: int,
        limit_bytes: int,
        allowed_endpoints: tuple[str, ...],
        default_output: Callable[[str], BlobReference],
    ) -> None:
        self._jobs = jobs
        self._model = model
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._allowed_endpoints = allowed_endpoints
        self._default_output = default_output
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        # Daemons: an exit does not wait for a job, which may wait for a slow blob endpoint.
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True) for number in range(workers)
        ]
        csv.field_size_limit(MAX_FIELD_CHARACTERS)

    def start(self) -> None:
        """Take jobs, first those that an earlier process had begun."""
        for job_id in self._jobs.running():
            self.enqueue(job_id)
        for thread in self._threads:
            thread.start()

    def enqueue(self, job_id: str) -> None:
        """Run a started job when a thread is free."""
        self._waiting.put(job_id)

    def stop(self) -> None:
        """Leave unfinished jobs where they are: the next start begins them anew."""
        self._stopping.set()
        for _ in self._threads:
            self._waiting.put(None)
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (job_id := self._waiting.get()) is not None and not self._stopping.is_set():
            self._run(job_id)

    def _run(self, job_id: str) -> None:
        try:
            job = self._jobs.get(job_id)
            if job.state is State.Running:
                self._score(job)
        except JobCancelled:
            logger.info("Job %s was cancelled or interrupted", job_id)
        except (ServiceError, BadInput) as error:
            self._fail(job_id, str(error))
        except Exception:
            logger.exception("Job %s failed", job_id)
            self._fail(job_id, str(ServiceError("ModuleExecutionFailed")))

    def _fail(self, job_id: str, details: str) -> None:
        """While stopping, the failure may be the stop's: the blob endpoint may be this service's own."""
        if not self._stopping.is_set():
            self._jobs.fail(job_id, details)

    def _score(self, job: Job) -> None:
        source = find_blob(job.input or {}, INPUT_NAME, self._allowed_endpoints)
        target = (
            find_blob(job.output, OUTPUT_NAME, self._allowed_endpoints)
            if job.output is not None
            else self._default_output(job.id)
        )

        def check_cancelled() -> None:
            if self._stopping.is_set() or self._jobs.get(job.id).state is not State.Running:
                raise JobCancelled

        with tempfile.TemporaryFile(dir=self._folder) as input_, tempfile.TemporaryFile(dir=self._folder) as output:
            self._download(source, input_, check_cancelled)
            score_csv(input_, output, self._model, limit_bytes=self._limit_bytes, check=check_cancelled)
            check_cancelled()
            _upload(target, output)
        self._jobs.finish(job.id, results_of(target, _read_token(target)))

    def _download(self, source: BlobReference, file: BinaryIO, check_cancelled: Callable[[], None]) -> None:
        try:
            client.download(source, file, limit_bytes=self._limit_bytes, check_cancelled=check_cancelled)
        except client.BlobError as error:
            raise ServiceError("BlobNotFound", (source.relative_location, str(error).rstrip("."))) from error
        except client.BlobTooLarge as error:
            raise BadInput(f"InvalidBlob: the input is larger than {self._limit_bytes} bytes.") from error
        file.seek(0)


def _upload(target: BlobReference, file: BinaryIO) -> None:
    file.seek(0)
    try:
        client.upload(target, file, content_type="text/csv")
    except client.BlobError as error:
        raise ServiceError("BlobNotFound", (target.relative_location, str(error).rstrip("."))) from error


def _read_token(blob: BlobReference) -> str:
    """A token to read the result; where the caller gave a token instead of a key, his own."""
    account = blob.account
    if account.key is None:
        return f"?{account.token}"
    return sas.read_token(
        account=account.name,
        key=account.key,
        container=blob.container,
        blob=blob.name,
        expires_at=datetime.now(UTC) + RESULT_VALID,
    )


def score_csv(source: BinaryIO, target: BinaryIO, model: Model, *, limit_bytes: int, check: Callable[[], None]) -> None:
    """Score a CSV file in UTF-8 whose header row has the text column; other columns are left out.

    Raises BadInput.
    """
    reader = csv.reader(io.TextIOWrapper(source, encoding="utf-8-sig", newline=""), strict=True)
    text_stream = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text_stream, lineterminator="\r\n")
    try:
        header = next(reader, [])
        column = _column(header, model)
        writer.writerow(model.feature_columns)
        for number, row in enumerate(_filled(reader), 1):
            if len(row) != len(header):
                raise BadInput(_parse_error(f"row {number} has {len(row)} values for {len(header)} columns"))
            writer.writerow(model.score(row[column]))
            if number % _ROWS_PER_CHECK == 0:
                check()
                if target.tell() > limit_bytes:
                    raise BadInput(f"OutOfMemoryLimit: the output is larger than {limit_bytes} bytes.")
    except UnicodeDecodeError as error:
        raise BadInput(_parse_error("the file is not in UTF-8")) from error
    except csv.Error as error:
        raise BadInput(_parse_error(f"line {reader.line_num}: {error}")) from error
    finally:
        text_stream.detach()


def _filled(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """csv gives an empty list for a line without anything in it."""
    return (row for row in reader if row)


def _column(header: list[str], model: Model) -> int:
    if header.count(model.text_column) != 1:
        found = ", ".join(header)[:200] or "nothing"
        raise BadInput(
            f"InputMismatchError: Input data does not match input port schema. "
            f"The header row must name the column {model.text_column} once; it has: {found}."
        )
    return header.index(model.text_column)


def _parse_error(why: str) -> str:
    return str(ServiceError("InputParseError", (why,)))
