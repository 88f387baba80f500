"""Forms of issues and their comments."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MinLengthValidator
from django.template.defaultfilters import filesizeformat
from django.utils.datastructures import MultiValueDict
from django.utils.functional import lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_name
from feedback import attachments
from feedback.attachments import Upload
from feedback.content_types import EXTENSIONS, ContentError
from feedback.models import LONGEST_TEXT, Issue


def _limits_in_words() -> str:
    values = {
        "count": attachments.FILES_AT_ONCE,
        "size": filesizeformat(attachments.FILE_LIMIT_BYTES),
        "extensions": " ".join(EXTENSIONS),
    }
    return gettext("At most %(count)s at a time, each up to %(size)s: %(extensions)s") % values


class FilesInput(forms.FileInput):
    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: MultiValueDict[str, Any], name: str) -> list[Any]:
        return files.getlist(name)


class FilesField(forms.FileField):
    """Any number of files, up to what is taken at once; each is examined."""

    widget = FilesInput

    def __init__(self) -> None:
        super().__init__(label=_("Attachments"), required=False, help_text=lazy(_limits_in_words, str)())

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "accept": ",".join(EXTENSIONS)}

    def clean(self, data: Any, initial: Any = None) -> list[Upload]:
        files: Sequence[UploadedFile[Any]] = data or ()
        if len(files) > attachments.FILES_AT_ONCE:
            limit = attachments.FILES_AT_ONCE
            text = ngettext("Attach at most %(limit)s file.", "Attach at most %(limit)s files.", limit)
            raise ValidationError(text % {"limit": limit})
        uploads, errors = [], []
        for file in files:
            try:
                uploads.append(attachments.upload_of(file.name or "", file.read(), file.size or 0))
            except ContentError as error:
                errors.append(str(error))
        if errors:
            raise ValidationError(errors)
        return uploads


class TextField(forms.CharField):
    def __init__(self, label: Any, *, least: int, rows: int) -> None:
        super().__init__(
            label=label,
            max_length=LONGEST_TEXT,
            validators=[MinLengthValidator(least)],
            help_text=_("Markdown. Leave out keys and passwords: others read this."),
            widget=forms.Textarea({"rows": rows}),
        )


class EditIssueForm(forms.Form):
    title = forms.CharField(
        label=_("Title"),
        max_length=Issue._meta.get_field("title").max_length,
        min_length=5,
        validators=[validate_name],
        help_text=_("What is wrong, in one line."),
    )
    description = TextField(_("Description"), least=20, rows=10)


class IssueForm(EditIssueForm):
    attachments = FilesField()


class EditCommentForm(forms.Form):
    text = TextField(_("Comment"), least=2, rows=5)


class CommentForm(EditCommentForm):
    attachments = FilesField()


class StateForm(forms.Form):
    state = forms.TypedChoiceField(choices=Issue.State.choices, coerce=Issue.State)
