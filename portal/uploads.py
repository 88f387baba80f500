"""Files that a form sends: bounded while they arrive, so that nobody fills the machine's disk or memory.

A view that takes files says so (`bounded_uploads`; the console bounds the whole request). All others get none, whoever
asks: Django would keep on the disk whatever somebody sends to any form.
"""

from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from feedback.attachments import FILE_LIMIT_BYTES, FILES_AT_ONCE
from portal.http import PageRequest

View = Callable[..., HttpResponse]


class NoUpload(FileUploadHandler):
    """Leaves out each file; the fields of the form arrive."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Not called for what is skipped."""

    def file_complete(self, file_size: int) -> None:
        """Likewise."""


class BoundedUpload(FileUploadHandler):
    """Keeps in memory what may be kept and counts the rest, so that the form can tell by the size what was too large.

    Nothing else of the form is lost.
    """

    chunk_size = 64 * 2**10

    def __init__(self, request: PageRequest) -> None:
        super().__init__(request)
        self._room = FILES_AT_ONCE * FILE_LIMIT_BYTES

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) <= FILE_LIMIT_BYTES and len(raw_data) <= self._room:
            self._room -= len(raw_data)
            self._kept.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._kept.seek(0)
        return InMemoryUploadedFile(
            self._kept, self.field_name, self.file_name or "", self.content_type, file_size, self.charset
        )


def bounded_uploads(view: View) -> View:
    """For views that take files. How they are taken is to be said before the check against forgery reads the form.

    Stands below `sign_in_required`, so that nothing is read of what a stranger sends.
    """
    checked = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def take(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.upload_handlers = [BoundedUpload(request)]
        return checked(request, *args, **kwargs)

    return take
