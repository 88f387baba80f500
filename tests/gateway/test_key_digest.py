"""The fast digest is the plain one."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.key_digest import digest, digest_secret, digester


@given(st.text(), st.binary(max_size=300))
def test_both_ways_give_one_digest(key_encryption_key, key):
    secret = digest_secret(key_encryption_key)
    assert digester(secret)(key) == digest(secret, key)
