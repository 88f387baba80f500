"""Products: the list, one of them, and subscribing to it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.access import product_or_404
from portal.forms import SubscribeForm
from portal.http import PageRequest
from portal.limits import limits_of
from portal.plans import offers_to, price_in_words
from portal.posting import posted_from
from portal.signing_in import to_sign_in
from portal.views.subscriptions import outcome
from subscriptions import lifecycle
from subscriptions.models import Product, Subscription

# More columns could be compared by nobody.
COMPARED = 6


@require_safe
def products(request: PageRequest) -> HttpResponse:
    offers = offers_to(request.user)
    context = {"offers": offers, "compared": offers if 2 <= len(offers) <= COMPARED else []}
    return render(request, "portal/products/products.html", context)


@require_safe
def product(request: PageRequest, product: str) -> HttpResponse:
    return _product_page(request, product_or_404(request.user, product))


@posted_from("portal:product")
def subscribe(request: PageRequest, product: str) -> HttpResponse:
    shown = product_or_404(request.user, product)
    if not request.user.is_authenticated:
        return to_sign_in(request, back_to=reverse("portal:product", args=[product]))
    form = SubscribeForm(request.POST, product=shown, viewer=request.user)
    if not form.is_valid():
        return _product_page(request, shown, form)
    try:
        made = lifecycle.subscribe(
            user=request.user,
            product=shown,
            display_name=form.cleaned_data["display_name"],
            accepted_terms=form.accepted_terms,
            team=form.owning_team,
        )
    except lifecycle.LifecycleError as error:
        form.add_error(None, str(error))
        return _product_page(request, shown, form)
    messages.success(request, outcome(made))
    return redirect("portal:subscription", made.pk)


def _product_page(request: PageRequest, product: Product, form: SubscribeForm | None = None) -> HttpResponse:
    own = _own_subscriptions(request, product)
    live = [subscription for subscription in own if subscription.is_live]
    form = form or SubscribeForm(
        product=product, viewer=request.user, initial={"display_name": _free_name(product, own)}
    )
    context = {
        "product": product,
        "apis": product.apis.all(),
        "limits": limits_of(product),
        "price": price_in_words(product.price),
        "own": live,
        "is_limit_reached": _is_limit_reached(request, product, live) and "team" not in form.fields,
        "form": form,
    }
    return render(request, "portal/products/product.html", context)


def _is_limit_reached(request: PageRequest, product: Product, live: list[Subscription]) -> bool:
    """Whether the person can have no more for himself; his teams are counted on their own."""
    own = [subscription for subscription in live if subscription.owner_id == request.user.pk]
    return product.subscriptions_limit is not None and len(own) >= product.subscriptions_limit


def _free_name(product: Product, own: list[Subscription]) -> str:
    return f"{product.display_name} {len(own) + 1}" if own else product.display_name


def _own_subscriptions(request: PageRequest, product: Product) -> list[Subscription]:
    if not request.user.is_authenticated:
        return []
    return list(Subscription.objects.of(request.user).filter(product=product).select_related("team"))
