"""The search over APIs and operations."""

import pytest
from django.test import Client


@pytest.mark.parametrize("query", ["echo", "say it", "/say/"])
def test_search_page_works_without_javascript(query, starter):
    page = Client().get("/search/", {"q": query}).text
    assert "<html" in page
    assert 'href="/apis/echo/' in page


def test_dropped_down_results_are_a_fragment(starter):
    answer = Client().get("/search/", {"q": "say"}, headers={"HX-Request": "true"})
    assert 'href="/apis/echo/say/"' in answer.text
    assert "<html" not in answer.text


def test_search_finds_nothing_that_its_reader_may_not_see(partners, alice, mallory, signed_in):
    assert 'href="/apis/echo/' in signed_in(alice).get("/search/?q=say").text
    assert 'href="/apis/echo/' not in signed_in(mallory).get("/search/?q=say").text
    assert 'href="/apis/echo/' not in Client().get("/search/?q=echo").text


@pytest.mark.parametrize("query", ["", "   ", "\x00", "x" * 10_000, "'; DROP TABLE apis_api; --"])
def test_odd_queries_answer_a_page(query, starter):
    assert Client().get("/search/", {"q": query}).status_code == 200


def test_search_asks_few_queries(starter, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        Client().get("/search/", {"q": "e"}, headers={"HX-Request": "true"})
