"""An API that takes issues, and files to attach."""

import struct
import zlib

import pytest

from apis.models import API
from feedback import issues
from feedback.models import Issue
from portalsettings.models import PortalSettings
from tests.portal.conftest import api, operation, partners, service, starter

__all__ = ["api", "operation", "partners", "service", "starter"]


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def switched_on(db) -> PortalSettings:
    """Others see an issue once the publisher has opened it."""
    return PortalSettings.objects.create(pk=1, issues=PortalSettings.Issues.REVIEWED)


@pytest.fixture
def echo(switched_on, starter) -> API:
    """Seen by everybody."""
    return starter.apis.get()


@pytest.fixture
def proposed(echo, alice) -> Issue:
    return issues.open_issue(api=echo, by=alice, title="Echo is late", description="It takes an hour since noon.")


@pytest.fixture
def opened(proposed, admin_user) -> Issue:
    return issues.change_state(proposed, Issue.State.OPEN, by=admin_user)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*notes: bytes) -> bytes:
    """A picture of one pixel."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *notes, chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")))
