"""Feature hashing of text by the rule of Vowpal Wabbit, which the module "Feature Hashing" uses.

A text is split at whitespace. Each token is hashed by MurmurHash3 (x86, 32 bits, seed 0), case kept,
with no other preparation; a token of ASCII digits only hashes to its value, as VW's default hash mode
`strings` has it. An n-gram's index is made of its tokens' hashes, left to right:
`index * 27942141 + next`. The low bits of an index name the feature, whose value counts occurrences.
n-grams of length n come with all shorter ones.

VW gives `|` and `:` a meaning in its own input format. Here the text is a value, not VW's format, so
they are characters like others.
"""

from collections import Counter
from collections.abc import Iterator

import mmh3

QUADRATIC_CONSTANT = 27942141
INDEX_MASK = 2**32 - 1
MAX_BITS = 31


def count_features(text: str, *, bits: int, ngrams: int) -> Counter[int]:
    """How often each feature, from 0 to 2**bits - 1, occurs in the text."""
    if not 1 <= bits <= MAX_BITS:
        raise ValueError(f"bits: {bits} is not between 1 and {MAX_BITS}")
    if ngrams < 1:
        raise ValueError(f"ngrams: {ngrams} is less than 1")
    mask = 2**bits - 1
    return Counter(index & mask for index in feature_indices(text, ngrams=ngrams))


def feature_indices(text: str, *, ngrams: int) -> Iterator[int]:
    """The 32-bit index of each n-gram, the single tokens first."""
    hashes = [token_hash(token) for token in text.encode("utf-8", "surrogatepass").split()]
    grams = hashes
    for length in range(1, ngrams + 1):
        if length > 1:
            grams = [_join(gram, following) for gram, following in zip(grams, hashes[length - 1 :], strict=False)]
        yield from grams


def token_hash(token: bytes) -> int:
    if token.isdigit():
        return _digits_value(token)
    return mmh3.hash(token, 0, signed=False)


def _digits_value(digits: bytes) -> int:
    """The number modulo 2**32; long digits in parts, for int() takes quadratic time and has a limit."""
    value = 0
    for start in range(0, len(digits), 9):
        part = digits[start : start + 9]
        value = (value * 10 ** len(part) + int(part)) & INDEX_MASK
    return value


def _join(index: int, following: int) -> int:
    return (index * QUADRATIC_CONSTANT + following) & INDEX_MASK
