"""The list of mails: which wait, which were sent, which failed and why."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from notifications.models import OutboxMail
from portal.administration.labels import label_column
from portal.administration.read_only import ReadOnlyAdmin

State = OutboxMail.State
STATE_COLOURS = {State.WAITING: "info", State.SENT: "success", State.FAILED: "danger"}


@admin.register(OutboxMail)
class OutboxMailAdmin(ReadOnlyAdmin):
    """Contents are not shown: they hold links that reset passwords and confirm addresses."""

    list_display = ["subject", "shown_recipients", "shown_state", "attempts", "created_at", "sent_at"]
    list_filter = ["state"]
    search_fields = ["subject", "recipients"]
    fields = [
        "subject",
        "sender",
        "shown_recipients",
        "state",
        "attempts",
        "next_attempt_at",
        "last_error",
        "created_at",
        "sent_at",
    ]
    list_per_page = 50
    show_full_result_count = False
    actions = ["send_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxMail]:
        mails: QuerySet[OutboxMail] = super().get_queryset(request)
        return mails.defer("message")

    @admin.display(description="to")
    def shown_recipients(self, mail: OutboxMail) -> str:
        return ", ".join(str(recipient) for recipient in mail.recipients)

    @label_column("state", ordering="state", colours=STATE_COLOURS)
    def shown_state(self, mail: OutboxMail) -> tuple[str, str]:
        return mail.state, mail.get_state_display()

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_outboxmail")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, mails: QuerySet[OutboxMail]) -> None:
        """Put failed mails back into the queue; others wait already or have arrived."""
        count = mails.filter(state=State.FAILED).update(
            state=State.WAITING, attempts=0, next_attempt_at=timezone.now(), last_error=""
        )
        left = mails.exclude(state=State.WAITING).count()
        if count:
            messages.success(request, f"{count} of the mails will be sent again within a minute.")
        else:
            messages.warning(request, f"None of the mails had failed; {left} were sent already.")
