"""The two ends of a WebSocket: the slower side sets the pace from the first byte on."""

from types import SimpleNamespace

from gateway.calls.tunnel import join


class Transport:
    """Takes 10 bytes before it asks to be spared."""

    def __init__(self):
        self.written = b""
        self.is_reading = True

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        self.written += data
        if len(self.written) > 10:
            self.protocol.pause_writing()

    def pause_reading(self):
        self.is_reading = False

    def resume_reading(self):
        self.is_reading = True

    def drain(self):
        self.protocol.resume_writing()


def joined(early: bytes = b""):
    limits = SimpleNamespace(websocket_idle_seconds=60)
    caller = SimpleNamespace(server=SimpleNamespace(time=0.0, limits=limits), deadline=0.0)
    to_caller, to_backend = Transport(), Transport()
    to_caller.is_reading = False
    return join(caller, caller, (to_caller, to_backend), early), to_caller, to_backend


def test_a_first_answer_that_the_caller_does_not_take_holds_up_the_backend():
    end, to_caller, to_backend = joined()
    end.open(b"101 and much more", is_slow=False)
    assert (to_backend.is_reading, to_caller.is_reading) == (False, True)
    to_caller.drain()
    assert to_backend.is_reading


def test_what_the_caller_sends_early_and_the_backend_does_not_take_holds_up_the_caller():
    end, to_caller, to_backend = joined(early=b"more than ten bytes")
    end.open(b"101", is_slow=False)
    assert (to_backend.is_reading, to_caller.is_reading) == (True, False)
    to_backend.drain()
    assert to_caller.is_reading


def test_nothing_of_the_backend_is_read_before_the_tunnel_is_open():
    end, to_caller, to_backend = joined()
    to_caller.protocol.pause_writing()
    to_caller.drain()
    assert not to_backend.is_reading
    end.open(b"101", is_slow=False)
    assert to_backend.is_reading
