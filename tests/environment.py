"""The environment of the tests; pytest loads this plug-in before Django reads its settings."""

import os
import tempfile

os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["KEY_ENCRYPTION_KEY"] = "only-for-tests-" + "y" * 40
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="apim-tests-")
os.mkdir(os.path.join(os.environ["DATA_DIR"], "static"))  # WhiteNoise warns where there is none.
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{os.environ['DATA_DIR']}/db.sqlite3")
os.environ["CELERY_BROKER_URL"] = "memory://"
for name in ("PORTAL_URL", "GATEWAY_URL", "REDIS_URL", "DEBUG"):
    os.environ.pop(name, None)
