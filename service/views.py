"""The first run in the browser: the code, the form, and what to do next."""

import hmac

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from apis.models import API, Operation
from service import first_run
from service.forms import CodeForm, SetupForm
from service.models import Service, current
from service.setup import ServiceExists, create_service

SESSION_KEY = "setup-code"
TOO_MANY_REQUESTS = 429


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    if current() is not None:
        return redirect("portal:home")
    if "code" in request.GET:
        return _take_code(request, request.GET["code"])
    if not _is_unlocked(request):
        return _take_code(request, request.POST.get("code"))
    return _create(request)


def _take_code(request: HttpRequest, code: str | None) -> HttpResponse:
    """Open the set-up page to this browser if the code is right.

    The answer to a right code is a redirect, so that the code leaves the address bar.
    """
    if code is None:
        return render(request, "service/code.html", {"form": CodeForm()})
    address = request.META.get("REMOTE_ADDR", "")
    form = CodeForm({"code": code})
    form.full_clean()
    if not first_run.may_try(address):
        form.add_error("code", _("Too many wrong codes. Try again in a few minutes."))
        return render(request, "service/code.html", {"form": form}, status=TOO_MANY_REQUESTS)
    if form.is_valid() and first_run.is_setup_code(code):
        request.session.cycle_key()
        request.session[SESSION_KEY] = first_run.fingerprint_of_code()
        return redirect("service:setup")
    first_run.count_wrong_code(address)
    if not form.errors:
        form.add_error("code", _("This is not the code."))
    return render(request, "service/code.html", {"form": form}, status=403)


def _is_unlocked(request: HttpRequest) -> bool:
    expected = first_run.fingerprint_of_code()
    return bool(expected) and hmac.compare_digest(str(request.session.get(SESSION_KEY, "")), expected)


def _create(request: HttpRequest) -> HttpResponse:
    form = SetupForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            _create_and_sign_in(request, form)
        except ServiceExists:
            return redirect("portal:home")
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("service:next_steps")
    # `{service}` in it is replaced as one types.
    context = {"form": form, "portal_url": settings.PORTAL_URL, "gateway_url": settings.GATEWAY_URL}
    return render(request, "service/setup.html", context, status=422 if form.is_bound else 200)


def _create_and_sign_in(request: HttpRequest, form: SetupForm) -> None:
    data = form.cleaned_data
    with transaction.atomic():
        service = create_service(
            name=data["name"],
            organization_name=data["organization_name"],
            administrator_email=data["administrator_email"],
            administrator_password=data["administrator_password"],
        )
        administrator = User.objects.get_by_natural_key(service.administrator_email)
        login(request, administrator, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session.pop(SESSION_KEY, None)
    first_run.forget_setup_code()


@never_cache
@require_safe
@login_required
def next_steps(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        raise PermissionDenied
    api = API.objects.order_by("pk").first()
    context = {
        "current_service": Service.objects.get(),
        "api": api,
        "has_operations": Operation.objects.exists(),
        "portal_url": settings.PORTAL_URL,
    }
    return render(request, "service/next_steps.html", context)
