"""Runs the tests that touch the database on PostgreSQL: `python -m deploy.test_on_postgresql`.

Takes TEST_POSTGRESQL_URL, or the server on this machine. Without one it says so and passes, except
in CI, where a missing server is a failure.
"""

import os
import subprocess
import sys

import psycopg

DEFAULT_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
WITHOUT_DATABASE = ("tests/browser", "tests/chaos", "tests/deploy", "tests/examples", "tests/gateway", "tests/policies")


def main() -> int:
    url = os.environ.get("TEST_POSTGRESQL_URL", DEFAULT_URL)
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        print(f"Tests on PostgreSQL are left out: {str(error).splitlines()[0]}")
        return 1 if os.environ.get("CI") else 0
    ignored = [f"--ignore={folder}" for folder in WITHOUT_DATABASE]
    command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "not browser", *ignored]
    return subprocess.run(command, env={**os.environ, "TEST_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
