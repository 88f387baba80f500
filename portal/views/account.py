"""The account area's page about the person."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.forms import NameForm
from portal.http import SignedInRequest
from portal.posting import posted_from
from portal.signing_in import sign_in_required


@require_safe
@sign_in_required
@never_cache
def account(request: SignedInRequest) -> HttpResponse:
    return _page(request, NameForm(initial=NameForm.values_of(request.user)))


@posted_from("portal:account")
@sign_in_required
def name(request: SignedInRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    form.rename(request.user)
    messages.success(request, _("Your profile is saved."))
    return redirect("portal:account")


def _page(request: SignedInRequest, form: NameForm) -> HttpResponse:
    return render(request, "portal/account/account.html", {"form": form})
