"""Products, and subscribing to them."""

import pytest
from django.test import Client
from django.urls import reverse

from subscriptions import keys, lifecycle
from subscriptions.models import Product, Subscription


def _subscribe(client: Client, product: Product, **fields):
    form = client.get(f"/products/{product.name}/").context["form"]
    values = {
        "display_name": "Mine",
        **{name: form[name].value() or "" for name in form.fields if name != "display_name"},
    }
    return client.post(f"/products/{product.name}/subscribe/", {**values, **fields})


def test_product_page_states_limits_in_words(starter):
    page = Client().get("/products/starter/").text
    assert "5 calls per minute" in page
    assert "100 calls per week" in page
    assert "Echo API" in page


def test_only_groups_of_a_product_see_it(partners, alice, bob, mallory, signed_in):
    assert signed_in(alice).get("/products/partners/").status_code == 200
    assert signed_in(bob).get("/products/partners/").status_code == 200
    assert signed_in(mallory).get("/products/partners/").status_code == 404
    assert Client().get("/products/partners/").status_code == 404
    assert "Partners" not in signed_in(mallory).get("/products/").text


def test_product_that_cannot_be_seen_cannot_be_subscribed_to(partners, mallory, signed_in):
    answer = signed_in(mallory).post("/products/partners/subscribe/", {"display_name": "Mine"})
    assert answer.status_code == 404
    assert not Subscription.objects.exists()


def test_guest_is_sent_to_sign_in_and_back_to_the_product(starter):
    assert "/account/login/?next=/products/starter/" in Client().get("/products/starter/").text
    answer = Client().post("/products/starter/subscribe/", {"display_name": "Mine"})
    assert answer["Location"] == "/account/login/?next=%2Fproducts%2Fstarter%2F"
    assert not Subscription.objects.exists()


def test_subscribing_gives_an_active_subscription_with_keys(starter, alice, signed_in):
    answer = _subscribe(signed_in(alice), starter, display_name="Laptop")
    subscription = alice.subscriptions.get()
    assert (subscription.display_name, subscription.state) == ("Laptop", "active")
    assert answer["Location"] == reverse("portal:subscription", args=[subscription.pk])
    assert len(keys.reveal(subscription, keys.Slot.PRIMARY)) == 32


def test_terms_must_be_accepted(starter, alice, signed_in):
    Product.objects.update(terms="Be kind.")
    answer = _subscribe(signed_in(alice), starter)
    assert "Read and accept the terms of use first." in answer.text
    assert not alice.subscriptions.exists()
    _subscribe(signed_in(alice), starter, terms="on")
    assert alice.subscriptions.get().terms_accepted == "Be kind."


def test_terms_that_changed_after_they_were_read_are_not_accepted(starter, alice, signed_in):
    Product.objects.update(terms="Be kind.")
    client = signed_in(alice)
    digest = client.get("/products/starter/").context["form"]["terms_digest"].value()
    Product.objects.update(terms="Pay a million.")
    answer = client.post(
        "/products/starter/subscribe/", {"display_name": "Mine", "terms": "on", "terms_digest": digest}
    )
    assert "The terms of use have changed" in answer.text
    assert not alice.subscriptions.exists()
    again = client.post(
        "/products/starter/subscribe/",
        {"display_name": "Mine", "terms": "on", "terms_digest": answer.context["form"]["terms_digest"].value()},
    )
    assert again.status_code == 302


def test_request_that_waits_is_shown_and_the_limit_takes_the_form_away(starter, alice, signed_in):
    Product.objects.update(approval_required=True, subscriptions_limit=1)
    client = signed_in(alice)
    _subscribe(client, starter)
    page = client.get("/products/starter/").text
    assert "Waiting for approval" in page
    assert "limit of 1 subscription" in page
    assert "/products/starter/subscribe/" not in page
    second = client.post("/products/starter/subscribe/", {"display_name": "Another"})
    assert "You have reached the limit" in second.text
    assert "Subscriptions limit reached for same user" in second.text
    assert alice.subscriptions.count() == 1


def test_cancelled_subscription_makes_room(starter, alice, signed_in):
    Product.objects.update(subscriptions_limit=1)
    first = lifecycle.subscribe(user=alice, product=starter, display_name="First")
    lifecycle.change_state(first, Subscription.State.CANCELLED, by=alice)
    _subscribe(signed_in(alice), starter)
    assert alice.subscriptions.filter(state="active").count() == 1


def test_subscriptions_of_others_are_not_shown(starter, alice, bob, signed_in):
    lifecycle.subscribe(user=alice, product=starter, display_name="Secret project")
    assert "Secret project" in signed_in(alice).get("/products/starter/").text
    assert "Secret project" not in signed_in(bob).get("/products/starter/").text


def test_open_product_takes_no_subscriptions(starter, alice, signed_in):
    Product.objects.update(subscription_required=False)
    client = signed_in(alice)
    assert "/subscribe/" not in client.get("/products/starter/").text
    assert "called without a key" in client.post("/products/starter/subscribe/", {"display_name": "Mine"}).text
    assert not alice.subscriptions.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b"])
def test_names_that_cannot_be_are_refused(name, starter, alice, signed_in):
    answer = signed_in(alice).post("/products/starter/subscribe/", {"display_name": name})
    assert answer.status_code == 200
    assert not alice.subscriptions.exists()


def test_subscribing_needs_a_token_against_forgery(starter, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = client.post("/products/starter/subscribe/", {"display_name": "Mine"})
    assert answer.status_code == 403
    assert "The page was too old" in answer.text
    assert not alice.subscriptions.exists()


def test_following_a_link_never_subscribes(starter, alice, signed_in):
    assert signed_in(alice).get("/products/starter/subscribe/").headers["Location"] == "/products/starter/"


def test_list_asks_a_bounded_number_of_queries(starter, api, alice, signed_in, django_assert_max_num_queries):
    for number in range(20):
        product = Product.objects.create(name=f"p{number}", display_name=f"P{number}", state="published")
        product.groups.set(starter.groups.all())
        product.apis.add(api)
    client = signed_in(alice)
    with django_assert_max_num_queries(9):
        client.get("/products/")


def test_unpublished_product_is_hidden_and_its_subscribers_still_see_what_they_have(starter, alice, signed_in):
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine")
    Product.objects.update(state=Product.State.NOT_PUBLISHED)
    client = signed_in(alice)
    assert client.get("/products/starter/").status_code == 404
    assert client.post("/products/starter/subscribe/", {"display_name": "Another"}).status_code == 404
    for hidden in ("/", "/products/", "/apis/", "/search/?q=echo", "/llms.txt"):
        assert "Echo API" not in client.get(hidden).text
        assert "/products/starter/" not in client.get(hidden).text
    assert client.get("/apis/echo/").status_code == 404
    for shown in ("/profile/", reverse("portal:subscription", args=[mine.pk])):
        page = client.get(shown).text
        assert "Starter" in page
        assert "/products/starter/" not in page
    assert mine.is_live


def test_page_of_a_subscription_shows_the_terms_that_were_accepted(starter, alice, signed_in):
    Product.objects.update(terms="Be kind.")
    mine = lifecycle.subscribe(user=alice, product=starter, display_name="Mine", accepted_terms="Be kind.")
    url = reverse("portal:subscription", args=[mine.pk])
    page = signed_in(alice).get(url).text
    assert "Be kind." in page
    assert "have changed since" not in page
    Product.objects.update(terms="Pay a million.")
    page = signed_in(alice).get(url).text
    assert "Be kind." in page
    assert "have changed since" in page
    assert "Pay a million." not in page
