"""The mail server's page: the one that is set here, or else that of the environment; tried by a test mail."""

from email.utils import parseaddr
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.address_rules import MAX_LENGTH, refuse_encoded_words, validate_address
from notifications import mail_server
from notifications.mail_server import MailServerError, Server
from notifications.models import MailServer
from notifications.outbox import bare_address
from portal.administration.model_admin import ModelAdmin
from portal.administration.steps import administrator


class MailServerForm(forms.ModelForm):  # type: ignore[type-arg]
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=gettext_lazy("Empty: as it is. It is forgotten when the host changes."),
    )
    test_to = forms.EmailField(
        label=gettext_lazy("Test mail to"),
        required=False,
        max_length=MAX_LENGTH,
        validators=[refuse_encoded_words],
        widget=UnfoldAdminEmailInputWidget,
    )

    class Meta:
        model = MailServer
        fields = ["host", "port", "security", "username", "password", "sender"]
        widgets = {
            "host": UnfoldAdminTextInputWidget,
            "port": UnfoldAdminIntegerFieldWidget,
            "security": UnfoldAdminSelectWidget,
            "username": UnfoldAdminTextInputWidget({"autocomplete": "off"}),
            "sender": UnfoldAdminTextInputWidget,
        }
        help_texts = {
            "host": gettext_lazy("Such as smtp.example.org."),
            "port": gettext_lazy("Usually 587 with STARTTLS, or 465 with TLS from the beginning."),
            "security": gettext_lazy("Of the connection; the provider of the server says which."),
            "username": gettext_lazy("Empty: the server asks for none."),
        }

    def clean_sender(self) -> str:
        sender = str(self.cleaned_data["sender"])
        if sender:
            try:
                refuse_encoded_words(parseaddr(sender)[1])
                validate_address(bare_address(sender))
            except (ValidationError, ValueError):
                raise ValidationError(_("Write an address, or a name and an address in angle brackets.")) from None
        return sender

    def clean(self) -> None:
        """A password is for one host: who may change the host must not have it sent to another."""
        if password := self.cleaned_data.get("password"):
            mail_server.put_password(self.instance, password)
        elif "host" in self.changed_data:
            mail_server.put_password(self.instance, "")


@admin.register(MailServer)
class MailServerAdmin(ModelAdmin):
    """There is one, so that its list is its page."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """GET shows the form; POST saves it, tries it without saving, or goes back to the environment."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        row = MailServer.objects.first()
        if request.method != "POST":
            initial = {"test_to": administrator(request).email}
            return self._page(request, row, MailServerForm(instance=row or _like_environment(), initial=initial))
        if request.POST.get("do") == "reset":
            MailServer.objects.all().delete()
            messages.success(request, _("The mail server of the environment counts again."))
            return redirect("admin:notifications_mailserver_changelist")
        form = MailServerForm(request.POST, instance=row or MailServer())
        if not form.is_valid():
            return self._page(request, row, form)
        if request.POST.get("do") == "test":
            return self._page(request, row, form, **_try_out(form, administrator(request).email))
        form.save()
        messages.success(request, _("The mail server is saved. The worker uses it from the next mail on."))
        return redirect("admin:notifications_mailserver_changelist")

    def _page(
        self, request: HttpRequest, row: MailServer | None, form: MailServerForm, answer: str = "", problem: str = ""
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Mail server"),
            "opts": self.opts,
            "form": form,
            "is_set": row is not None,
            "goes_to_files": row is None and settings.MAIL_DELIVERY == "file",
            "mail_folder": settings.MAIL_DIR,
            "answer": answer,
            "problem": problem,
        }
        return render(request, "admin/notifications/mailserver/form.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _like_environment() -> MailServer:
    return MailServer(
        host=settings.EMAIL_HOST if settings.MAIL_DELIVERY == "smtp" else "", username=settings.EMAIL_HOST_USER
    )


def _try_out(form: MailServerForm, own_address: str) -> dict[str, str]:
    row: MailServer = form.instance
    mail = EmailMessage(
        subject=_("Test of the mail server"),
        body=_("This mail shows that the developer portal can send mails by this server."),
        from_email=row.sender or settings.DEFAULT_FROM_EMAIL,
        to=[form.cleaned_data["test_to"] or own_address],
    )
    try:
        server = Server(row.host, row.port, row.security, row.username, mail_server.password_of(row))
        return {"answer": mail_server.try_out(server, mail)}
    except MailServerError as error:
        return {"problem": str(error)}
