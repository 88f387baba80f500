"""The language and the time zone in which somebody reads."""

from django.conf import settings
from django.contrib import messages
from django.forms import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.i18n import set_language

from accounts.forms import PreferencesForm
from portal.http import PageRequest, SignedInRequest
from portal.signing_in import sign_in_required


def choose_language(request: PageRequest) -> HttpResponse:
    """Take the language that was chosen in a page's footer: a cookie keeps it, and the profile of who is signed in."""
    language = request.POST.get("language")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        request.user.language = language
        request.user.save(update_fields=["language"])
    answer: HttpResponse = set_language(request)
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def preferences(request: SignedInRequest) -> HttpResponse:
    form = PreferencesForm(request.POST or None, initial=model_to_dict(request.user, ["language", "time_zone"]))
    if not form.is_valid():
        return render(request, "portal/account/preferences.html", {"form": form})
    form.save_for(request.user)
    with translation.override(request.user.language or translation.get_language_from_request(request)):
        messages.success(request, _("Your language and time zone are saved."))
    return redirect("portal:preferences")
