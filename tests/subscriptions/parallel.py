"""Lets requests meet."""

import threading

import pytest
from django.db import connection

ON_POSTGRESQL = [
    pytest.mark.postgresql,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one write after the other"),
    pytest.mark.django_db(transaction=True),
]


def at_once(*acts) -> list[str]:
    """Run each in a thread and a connection of its own; gives the names of what they raised, or `done`."""
    barrier, outcomes = threading.Barrier(len(acts)), []

    def run(act):
        barrier.wait()
        try:
            act()
            outcomes.append("done")
        except Exception as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)
