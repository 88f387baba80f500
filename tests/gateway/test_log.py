"""Callers cannot fill the log."""

import logging

from gateway.log import Sparingly


def test_one_line_a_second_for_each_subject_tells_what_was_left_out(caplog):
    event = Sparingly(logging.WARNING, "unreachable: api=%s")
    with caplog.at_level(logging.WARNING):
        for tenth in range(25):
            event.log(1, tenth / 10, 1)
        event.log(2, 2.5, 2)
    assert caplog.messages == [
        "unreachable: api=1 left_out=0",
        "unreachable: api=1 left_out=9",
        "unreachable: api=1 left_out=9",
        "unreachable: api=2 left_out=0",
    ]


def test_malformed_requests_do_not_fill_the_log(start_gateway):
    gateway = start_gateway()
    for _ in range(200):
        assert gateway.ask(b"nonsense\r\n\r\n").status == 400
    gateway.hang_up()
    assert gateway.stop() == 0
    assert gateway.log.read_text().count("request refused") < 100


def test_a_malformed_request_is_answered_with_the_id_that_the_log_has(start_gateway):
    gateway = start_gateway()
    answer = gateway.ask(b"nonsense\r\n\r\n")
    gateway.wait_for_log(f"request={answer.header('X-Request-Id').decode()} reason=The request line is malformed.")
