"""Mails: which wait, which were sent, which failed and why; and addresses that take none."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.paginator import InfinitePaginator

from notifications import outbox
from notifications.models import BouncedAddress, OutboxMail
from portal.administration.labels import label_column
from portal.administration.model_admin import ModelAdmin
from portal.administration.read_only import ReadOnlyAdmin

State = OutboxMail.State
STATE_COLOURS = {State.WAITING: "info", State.SENT: "success", State.FAILED: "danger"}
MAX_SEARCHED_CHARACTERS = 320


def _is_to(address: str) -> Q:
    """Whether the address is among the recipients; most are kept in lower case."""
    if connection.vendor == "postgresql":
        return Q(recipients__contains=[address]) | Q(recipients__contains=[address.lower()])
    return Q(recipients__icontains=json.dumps(address))


@admin.register(OutboxMail)
class OutboxMailAdmin(ReadOnlyAdmin):
    """Contents are not shown: they hold links that reset passwords and confirm addresses. Never counts the mails."""

    list_display = ["subject", "shown_recipients", "shown_state", "attempts", "last_error", "created_at", "sent_at"]
    list_filter = ["state", "is_bulk"]
    search_fields = ["subject", "recipients"]
    search_help_text = gettext_lazy("A recipient's whole address, or how the subject begins")
    fields = [
        "subject",
        "sender",
        "shown_recipients",
        "shown_refusals",
        "state",
        "is_bulk",
        "attempts",
        "next_attempt_at",
        "last_error",
        "created_at",
        "sent_at",
    ]
    sortable_by = ["created_at"]
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ["send_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxMail]:
        mails: QuerySet[OutboxMail] = super().get_queryset(request)
        return mails.defer("message")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OutboxMail], search_term: str
    ) -> tuple[QuerySet[OutboxMail], bool]:
        """By what indexes answer: the outbox can be long."""
        text = search_term.strip()[:MAX_SEARCHED_CHARACTERS].replace("\x00", "")
        if not text:
            return queryset, False
        return queryset.filter(Q(subject__startswith=text) | _is_to(text)), False

    @admin.display(description=gettext_lazy("to"))
    def shown_recipients(self, mail: OutboxMail) -> str:
        return ", ".join(str(recipient) for recipient in mail.recipients)

    @admin.display(description=gettext_lazy("refused"))
    def shown_refusals(self, mail: OutboxMail) -> str:
        return "; ".join(f"{recipient}: {reason}" for recipient, reason in mail.refused.items()) or "-"

    @label_column(gettext_lazy("state"), colours=STATE_COLOURS)
    def shown_state(self, mail: OutboxMail) -> tuple[str, str]:
        return mail.state, mail.get_state_display()

    def has_send_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("notifications.change_outboxmail")

    @admin.action(description=gettext_lazy("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, mails: QuerySet[OutboxMail]) -> None:
        failed = list(mails.filter(state=State.FAILED).only("subject"))
        count = outbox.send_again(mails)
        for mail in failed:
            self.log_change(request, mail, _("Sent again."))
        if count:
            done = ngettext("%(count)s mail is sent again.", "%(count)s mails are sent again.", count)
            messages.success(request, done % {"count": count})
        else:
            messages.warning(request, _("Nothing is sent again: no such mail had failed."))


@admin.register(BouncedAddress)
class BouncedAddressAdmin(ModelAdmin):
    """Deleting a row lets the address have optional mails again."""

    list_display = ["email", "reason", "at"]
    search_fields = ["email"]
    fields = readonly_fields = ["email", "reason", "at"]
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
