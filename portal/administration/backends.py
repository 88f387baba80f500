"""The pages of backends and of pools of them."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.forms import PaginationInlineFormSet

from backends.certificates import facts
from backends.credentials import credentials_of
from backends.models import MOST_MEMBERS, Backend, PoolMember
from gateway.configuration.sealed import SealedError
from portal.administration.backend_form import BackendForm, PoolForm
from portal.administration.deletion import users_in_the_way
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin, TableRowForm, TabularInline

EARLY = timedelta(days=30)
SHOWN_USERS = 100
STATE_COLOURS = {"good": "success", "warn": "warning", "bad": "danger"}

RETRIES = (_("Retries"), {"fields": ["retry_count", "retry_interval_seconds", "retry_statuses"]})


class MemberFormSet(PaginationInlineFormSet):
    default_error_messages = {
        **PaginationInlineFormSet.default_error_messages,
        "too_few_forms": _("Add at least one backend."),
        "too_many_forms": format_lazy(_("A pool has at most {limit} backends."), limit=MOST_MEMBERS),
    }

    def get_unique_error_message(self, unique_check: Any) -> str:
        return gettext("A backend is in the pool twice: give one row a higher weight instead.")


class MemberInline(TabularInline):
    model = PoolMember
    form = TableRowForm
    fk_name = "pool"
    formset = MemberFormSet
    verbose_name = _("backend")
    verbose_name_plural = _("backends of the pool")
    fields = ["backend", "priority", "weight"]
    autocomplete_fields = ["backend"]
    hide_title = True
    extra = 0
    min_num = 1
    max_num = MOST_MEMBERS

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, validate_min=True, validate_max=True, **kwargs)
        widget = formset.form.base_fields["backend"].widget
        widget.can_add_related = widget.can_change_related = widget.can_delete_related = False
        widget.can_view_related = False
        return formset


@admin.register(Backend)
class BackendAdmin(ModelAdmin):
    help_texts = {
        "title": _("What administrators read where they choose a backend."),
        "description": _("For administrators."),
        "breaker_interval_seconds": _("Failures that are longer ago do not count."),
        "breaker_trip_seconds": _("So long it gets no calls; then a single one tries whether it is well."),
    }
    """A pool is added by a button of its own; what a backend is stays as it was added."""

    list_display = ["title", "shown_type", "target", "used_by", "shown_state"]
    ordering = ["title", "pk"]
    list_filter = ["type"]
    search_fields = ["title", "name", "url"]
    list_per_page = 50
    prepopulated_fields = {"name": ["title"]}
    readonly_fields = ["certificate"]
    inlines = [MemberInline]
    actions_list = ["add_pool"]
    change_form_outer_after_template = "admin/backends/backend/_used_by.html"
    fieldsets = [
        (None, {"fields": ["title", "name", "url", "description"]}),
        (
            _("Credentials"),
            {
                "fields": [
                    "headers",
                    "query",
                    "basic_user",
                    "basic_password",
                    "certificate",
                    "new_certificate",
                    "remove_certificate",
                ],
                "description": _(
                    "The gateway adds them to each call, in place of what the caller sends under the same "
                    "name. They are stored encrypted and not shown again."
                ),
            },
        ),
        (_("TLS"), {"fields": ["verify_chain", "verify_name", "ca_pem"]}),
        (_("Connections"), {"fields": ["connect_seconds", "read_seconds", "idle_connections", "max_connections"]}),
        (
            _("Circuit breaker"),
            {
                "fields": [
                    "breaker_failures",
                    "breaker_interval_seconds",
                    "breaker_trip_seconds",
                    "breaker_statuses",
                    "breaker_counts_errors",
                    "breaker_accepts_retry_after",
                ],
                "description": _(
                    "Once so many calls have failed within so many seconds, it opens: calls are answered "
                    "503 at once, or go to the rest of the pool."
                ),
            },
        ),
        RETRIES,
    ]
    pool_fieldsets = [(None, {"fields": ["title", "name", "description"]}), RETRIES]

    @action(description=_("Add pool"), url_path="add-pool", icon="hub", permissions=["add"])  # type: ignore[untyped-decorator]
    def add_pool(self, request: HttpRequest) -> HttpResponse:
        return _add_pool()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        backends: QuerySet[Backend] = super().get_queryset(request)
        return backends.annotate(
            api_count=Count("apis", distinct=True),
            pool_count=Count("memberships", distinct=True),
            member_count=Count("members", distinct=True),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Backend | None = None) -> Any:
        return self.pool_fieldsets if _is_pool(request, obj) else self.fieldsets

    def get_inlines(self, request: HttpRequest, obj: Backend | None) -> list[Any]:
        return list(self.inlines) if _is_pool(request, obj) else []

    def get_form(self, request: HttpRequest, obj: Backend | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = PoolForm if _is_pool(request, obj) else BackendForm
        return super().get_form(request, obj, change, form=form, **kwargs)

    @label_column(_("type"), ordering="type", colours={Backend.Type.POOL: "info"})
    def shown_type(self, backend: Backend) -> tuple[str, str]:
        return backend.type, backend.get_type_display()

    @admin.display(description=_("URL"), ordering="url")
    def target(self, backend: Any) -> str:
        if not backend.is_pool:
            return str(backend.url)
        count = backend.member_count
        return str(ngettext("%(count)s backend", "%(count)s backends", count) % {"count": count})

    @admin.display(description=_("used by"))
    def used_by(self, backend: Any) -> str:
        counts = (
            (backend.api_count, ngettext("%(count)s API", "%(count)s APIs", backend.api_count)),
            (backend.pool_count, ngettext("%(count)s pool", "%(count)s pools", backend.pool_count)),
        )
        return ", ".join(text % {"count": count} for count, text in counts if count) or gettext("Nothing")

    @label_column(_("state"), colours=STATE_COLOURS)
    def shown_state(self, backend: Backend) -> tuple[str, str]:
        try:
            credentials = credentials_of(backend)
        except SealedError:
            return "bad", gettext("Credentials cannot be read")
        if not credentials.certificate_pem:
            return "good", gettext("Ready")
        ends_at = facts(credentials.certificate_pem).ends_at
        if ends_at <= timezone.now():
            return "bad", gettext("Certificate has ended")
        return (
            ("warn", gettext("Certificate ends on %(date)s") % {"date": date_format(ends_at)})
            if ends_at < timezone.now() + EARLY
            else ("good", gettext("Ready"))
        )

    @admin.display(description=_("client certificate"))
    def certificate(self, backend: Backend) -> SafeString | str:
        """What may be shown of it; also tells where credentials cannot be read."""
        try:
            pem = credentials_of(backend).certificate_pem
        except SealedError as error:
            return gettext("None can be shown: %(error)s. Write all credentials again, or bring the old key back.") % {
                "error": error
            }
        if not pem:
            return gettext("None.")
        return render_to_string("admin/backends/backend/_certificate.html", {"certificate": facts(pem)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        backend = self.get_object(request, object_id)
        used = {"apis": list(backend.apis.all()[:SHOWN_USERS]), "pools": _pools_of(backend)} if backend else {}
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **used})
        return response

    def response_add(self, request: HttpRequest, obj: Backend, post_url_continue: str | None = None) -> HttpResponse:
        response: HttpResponse = super().response_add(request, obj, post_url_continue)
        if obj.is_pool and "_addanother" in request.POST:
            return _add_pool()
        return response

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        in_the_way = users_in_the_way(objs)
        if in_the_way:
            return [], {}, set(), in_the_way
        result: tuple[Any, Any, Any, Any] = super().get_deleted_objects(objs, request)
        return result


def _add_pool() -> HttpResponse:
    return redirect(f"{reverse('admin:backends_backend_add')}?type=pool")


def _is_pool(request: HttpRequest, backend: Backend | None) -> bool:
    return backend.is_pool if backend is not None else request.GET.get("type") == "pool"


def _pools_of(backend: Backend) -> list[Backend]:
    return list(Backend.objects.filter(members__backend=backend)[:SHOWN_USERS])
