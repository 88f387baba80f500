import pytest
from django.core.cache import cache

from accounts.models import Group


@pytest.fixture
def data_dir(settings, tmp_path):
    """A DATA_DIR of the test's own: no code is left from another one."""
    settings.DATA_DIR = tmp_path
    cache.clear()
    return tmp_path


@pytest.fixture
def built_in_groups(db):
    for name in ("administrators", "developers", "guests"):
        Group.objects.get_or_create(name=name, defaults={"display_name": name.title(), "built_in": True})
