"""Feature hashing by Vowpal Wabbit's rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.azureml.hashing import INDEX_MASK, count_features, feature_indices, token_hash

VW_CONSTANT = 27942141


def vector(text: str, *, bits: int = 3, ngrams: int = 2) -> str:
    counts = count_features(text, bits=bits, ngrams=ngrams)
    return " ".join(str(counts[index]) for index in range(2**bits))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("This is a good day", "1 1 2 2 0 2 0 1", id="the published example"),
        pytest.param("this is a good day", "0 1 2 3 0 2 1 0", id="case is kept"),
        pytest.param("  This\tis\r\na  good day ", "1 1 2 2 0 2 0 1", id="any whitespace separates"),
        pytest.param("", "0 0 0 0 0 0 0 0", id="nothing has no features"),
        pytest.param("13", "0 0 0 0 0 1 0 0", id="digits are their value"),
        pytest.param("0013", "0 0 0 0 0 1 0 0", id="leading zeros do not matter"),
    ],
)
def test_vector_of_eight_columns(text, expected):
    assert vector(text) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        # Published values of MurmurHash3_x86_32 with seed 0.
        pytest.param(b"hello", 0x248BFA47, id="five bytes"),
        pytest.param(b"Hello, world!", 0xC0363E43, id="punctuation"),
        pytest.param(b"The quick brown fox jumps over the lazy dog", 0x2E4FF723, id="many bytes"),
        pytest.param(b"4294967295", 0xFFFFFFFF, id="the largest number"),
        pytest.param(b"4294967297", 1, id="a larger number wraps"),
        pytest.param(b"1" + b"0" * 100_000, 0, id="a hostile number takes no quadratic time"),
    ],
)
def test_hash_of_a_token(token, expected):
    assert token_hash(token) == expected


def test_ngrams_come_after_the_shorter_ones_and_are_joined_from_the_left():
    a, b, c = (token_hash(token) for token in (b"a", b"b", b"c"))
    ab, bc = (a * VW_CONSTANT + b) & INDEX_MASK, (b * VW_CONSTANT + c) & INDEX_MASK
    abc = (ab * VW_CONSTANT + c) & INDEX_MASK
    assert list(feature_indices("a b c", ngrams=3)) == [a, b, c, ab, bc, abc]


@given(st.text(max_size=200), st.integers(1, 31), st.integers(1, 5))
def test_every_gram_is_counted_once_in_a_column_that_is_there(text, bits, ngrams):
    counts = count_features(text, bits=bits, ngrams=ngrams)
    tokens = len(text.encode("utf-8", "surrogatepass").split())
    assert counts.total() == sum(max(0, tokens - length + 1) for length in range(1, ngrams + 1))
    assert all(0 <= index < 2**bits for index in counts)


@pytest.mark.parametrize(("bits", "ngrams"), [(0, 1), (32, 1), (3, 0)])
def test_settings_out_of_range_are_refused(bits, ngrams):
    with pytest.raises(ValueError, match=r"bits|ngrams"):
        count_features("a", bits=bits, ngrams=ngrams)
