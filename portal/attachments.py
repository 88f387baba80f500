"""The file of an attachment as an answer, which a browser stores or shows as a picture and never runs."""

from django.http import FileResponse, Http404

from feedback.attachments import path_of
from feedback.models import Attachment


def file_of(attachment: Attachment) -> FileResponse:
    try:
        file = path_of(attachment).open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(file, as_attachment=True, filename=attachment.title, content_type=attachment.content_format)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
