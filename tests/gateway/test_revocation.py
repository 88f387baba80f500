"""Who looks at open WebSockets stops when there are none."""

from types import SimpleNamespace

import pytest

from gateway.calls.revocation import end_revoked_tunnels


def test_nothing_is_done_while_no_socket_is_open():
    with pytest.raises(StopIteration):
        end_revoked_tunnels(SimpleNamespace(tunnels={})).send(None)
