"""Announcing something to the subscribers of an API or a product."""

from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apis.models import API
from notifications import announcements
from notifications.catalogue import TEMPLATES, samples_of
from notifications.models import Announcement
from notifications.rendering import Rendered, one_line
from notifications.rendering import render as render_mail
from notifications.texts import text_of
from portal.administration.model_admin import ModelAdmin, choose_one
from portal.administration.steps import administrator
from subscriptions.models import Product


class AnnouncementForm(forms.Form):
    product = forms.ModelChoiceField(
        Product.objects.all(), required=False, label=gettext_lazy("Product"), widget=choose_one(Announcement, "product")
    )
    api = forms.ModelChoiceField(
        API.objects.all(), required=False, label=gettext_lazy("or API"), widget=choose_one(Announcement, "api")
    )
    subject = forms.CharField(label=gettext_lazy("Subject"), max_length=150, widget=UnfoldAdminTextInputWidget)
    body = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget({"rows": 12}),
        help_text=gettext_lazy("Markdown."),
    )
    form_id = forms.UUIDField(widget=forms.HiddenInput)

    def clean_subject(self) -> str:
        return one_line(self.cleaned_data["subject"])

    def clean(self) -> None:
        if (self.cleaned_data.get("product") is None) == (self.cleaned_data.get("api") is None):
            raise forms.ValidationError(_("Choose either a product or an API: its subscribers get the mail."))


@admin.register(Announcement)
class AnnouncementAdmin(ModelAdmin):
    list_display = ["subject", "scope_name", "created_at", "mails_written"]
    search_fields = ["subject"]
    fields = readonly_fields = ["subject", "body", "scope_name", "by", "created_at", "mails_written"]
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Announcement]:
        rows: QuerySet[Announcement] = super().get_queryset(request)
        return rows.select_related("event__mailing")

    @admin.display(description=gettext_lazy("mails"))
    def mails_written(self, row: Announcement) -> str:
        mailing = getattr(row.event, "mailing", None)
        if mailing is None:
            return _("soon")
        count = ngettext("%(count)s mail", "%(count)s mails", mailing.mails) % {"count": mailing.mails}
        return count if mailing.finished_at else _("%(mails)s so far") % {"mails": count}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """GET shows an empty form; POST previews it or, if `do` says so, sends it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            chosen = {name: request.GET.get(name) for name in ("product", "api")}
            return self._page(request, AnnouncementForm(initial={"form_id": uuid4(), **chosen}), None)
        form = AnnouncementForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, None)
        if request.POST.get("do") == "send":
            announcements.announce(**form.cleaned_data, by=administrator(request))
            messages.success(request, _("The announcement is on its way."))
            return redirect("admin:notifications_announcement_changelist")
        return self._page(request, form, _preview(form))

    def _page(self, request: HttpRequest, form: AnnouncementForm, preview: Rendered | None) -> HttpResponse:
        chosen = {name: form.cleaned_data[name] for name in ("api", "product")} if preview else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Announce to subscribers"),
            "opts": self.opts,
            "form": form,
            "preview": preview,
            "receivers": announcements.receivers(**chosen).count() if chosen else None,
        }
        return render(request, "admin/notifications/announcement/compose.html", context)


def _preview(form: AnnouncementForm) -> Rendered:
    template = TEMPLATES["announcementDeveloperNotificationMessage"]
    values = {
        **samples_of(template),
        "announcement_subject": form.cleaned_data["subject"],
        "announcement": form.cleaned_data["body"],
        "product": str(form.cleaned_data["product"] or form.cleaned_data["api"]),
    }
    with translation.override(settings.LANGUAGE_CODE):
        return render_mail(text_of(template, settings.LANGUAGE_CODE), values)
