"""The texts of mails: a list of all templates, and a page where one is written, previewed and tried."""

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from notifications import placeholders, texts
from notifications.catalogue import TEMPLATES, Category, MailTemplate, parameters_of, samples_of
from notifications.mails import compose
from notifications.models import MailText
from notifications.placeholders import TemplateError, UnknownParameter
from notifications.rendering import Rendered, Text
from notifications.rendering import render as render_mail
from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator

ALL_LANGUAGES = ""


class MailTextForm(forms.Form):
    subject = forms.CharField(
        label=gettext_lazy("Subject"), max_length=200, widget=UnfoldAdminTextInputWidget, strip=True
    )
    body = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget({"rows": 16, "spellcheck": "true"}),
        help_text=gettext_lazy(
            "Markdown. {{ name }} stands for a parameter; what {{#name}} and {{/name}} enclose is left out "
            "where the parameter is empty."
        ),
    )

    def __init__(self, template: MailTemplate, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template = template

    def clean_subject(self) -> str:
        return self._checked("subject")

    def clean_body(self) -> str:
        return self._checked("body")

    def _checked(self, field: str) -> str:
        source = str(self.cleaned_data[field]).replace("\r\n", "\n")
        try:
            placeholders.check(source, parameters_of(self.template))
        except UnknownParameter as error:
            text = _("Line %(line)s: this mail has no parameter %(what)s. The list below names those that it has.")
            raise forms.ValidationError(text % {"line": error.line, "what": error.what}) from error
        except TemplateError as error:
            text = _(
                "Line %(line)s cannot be read at %(what)s. "
                "A parameter is written {{ name }}; each {{#name}} needs its {{/name}}."
            )
            raise forms.ValidationError(text % {"line": error.line, "what": error.what}) from error
        return source

    @property
    def text(self) -> Text:
        return Text(self.cleaned_data["subject"], self.cleaned_data["body"])


@admin.register(MailText)
class MailTextAdmin(ModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(edit, model_admin=self))
        return [path("<slug:name>/", view, name="notifications_mailtext_edit"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        own: dict[str, list[str]] = {}
        for name, language in MailText.objects.order_by("language").values_list("template", "language"):
            own.setdefault(name, []).append(_language_name(language))
        groups = [
            {"title": category.label, "templates": [_row(template, own) for template in _of(category)]}
            for category in Category
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Mail templates"),
            "opts": self.opts,
            "groups": groups,
        }
        return render(request, "admin/notifications/mailtext/list.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _of(category: Category) -> list[MailTemplate]:
    return [template for template in TEMPLATES.values() if template.category == category]


def _row(template: MailTemplate, own: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "template": template,
        "url": reverse("admin:notifications_mailtext_edit", args=[template.name]),
        "changed": ", ".join(own.get(template.name, [])),
    }


def _language_name(code: str) -> str:
    return dict(settings.LANGUAGES).get(code, code) if code else _("all languages")


def edit(request: HttpRequest, *, name: str, model_admin: ModelAdmin) -> HttpResponse:
    """GET shows the text that counts in `language`; POST previews, tries, saves or resets, as `do` says."""
    template = TEMPLATES.get(name)
    language = request.GET.get("language", ALL_LANGUAGES)
    if template is None or (language and language not in dict(settings.LANGUAGES)):
        raise Http404
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        text = texts.text_of(template, language or settings.LANGUAGE_CODE)
        form = MailTextForm(template, initial={"subject": text.subject, "body": text.body})
        return _page(request, model_admin, template, language, form, _rendered(template, language, text))
    do = request.POST.get("do")
    if do == "reset":
        texts.reset(template, language)
        messages.success(request, _("The default text counts again."))
        return _back(template, language)
    form = MailTextForm(template, request.POST)
    if not form.is_valid():
        return _page(request, model_admin, template, language, form, None)
    if do == "save":
        texts.save(template, language, form.text)
        messages.success(request, _("The text is saved. Mails that are written from now on use it."))
        return _back(template, language)
    if do == "test":
        _send_test(request, template, language, form.text)
    return _page(request, model_admin, template, language, form, _rendered(template, language, form.text))


def _back(template: MailTemplate, language: str) -> HttpResponseRedirect:
    url = reverse("admin:notifications_mailtext_edit", args=[template.name])
    return redirect(f"{url}?language={language}" if language else url)


def _rendered(template: MailTemplate, language: str, text: Text) -> Rendered:
    with translation.override(language or settings.LANGUAGE_CODE):
        return render_mail(text, samples_of(template))


def _send_test(request: HttpRequest, template: MailTemplate, language: str, text: Text) -> None:
    email = administrator(request).email
    with translation.override(language or settings.LANGUAGE_CODE):
        compose(template, email, samples_of(template), text=text).send()
    messages.success(request, _("A test with sample values is on its way to %(email)s.") % {"email": email})


def _page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    template: MailTemplate,
    language: str,
    form: MailTextForm,
    preview: Rendered | None,
) -> HttpResponse:
    url = reverse("admin:notifications_mailtext_edit", args=[template.name])
    own = set(MailText.objects.filter(template=template.name).values_list("language", flat=True))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": template.title,
        "opts": model_admin.opts,
        "template": template,
        "form": form,
        "preview": preview,
        "is_changed": language in own,
        "languages": [
            {
                "url": f"{url}?language={code}" if code else url,
                "name": label,
                "is_current": code == language,
                "is_changed": code in own,
            }
            for code, label in [(ALL_LANGUAGES, _("All languages")), *settings.LANGUAGES]
        ],
        "parameters": parameters_of(template),
    }
    return render(request, "admin/notifications/mailtext/edit.html", context)
