"""The name of a gateway's journal."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.journal.parts import GATEWAY_NAME
from gateway.process.name import gateway_name


def test_a_name_stays_and_can_name_a_journal(tmp_path):
    name = gateway_name(tmp_path / "journal", 8080)
    assert gateway_name(tmp_path / "journal", 8080) == name
    assert GATEWAY_NAME.fullmatch(name)


def test_gateways_that_start_at_once_agree_on_a_name(tmp_path):
    start = threading.Barrier(8)

    def name(port: int) -> str:
        start.wait()
        return gateway_name(tmp_path, port)

    with ThreadPoolExecutor(8) as gateways:
        names = set(gateways.map(name, [8080] * 8))
    assert names == {gateway_name(tmp_path, 8080)}
    assert [file.name for file in tmp_path.iterdir()] == ["gateway-name"]


@pytest.mark.parametrize(
    ("folder", "port"),
    [pytest.param("here", 8081, id="another port"), pytest.param("there", 8080, id="another host's folder")],
)
def test_no_two_gateways_share_a_name(tmp_path, folder, port):
    assert gateway_name(tmp_path / "here", 8080) != gateway_name(tmp_path / folder, port)
