"""The snapshot file says what the database says, after every change, at the price of that change."""

import pytest
from django.db import connection, transaction
from django.utils import timezone
from msgspec.structs import replace

from accounts.models import User
from apis.models import API, Operation
from backends.models import Backend
from gateway.configuration import snapshot as gateway_snapshot
from policies.models import ProductPolicy
from publisher import changes, snapshot_file, triggers
from publisher.compile import read_snapshot
from publisher.models import Revision, SubscriptionChange
from publisher.snapshot_file import SnapshotFile
from service.models import Service
from subscriptions import keys
from subscriptions.lifecycle import State, change_state, create
from subscriptions.models import Product, Subscription, SubscriptionKey
from subscriptions.ownership import end_all_of
from tests.publisher.conftest import in_another_connection


@pytest.fixture
def file(tmp_path):
    return tmp_path / "gateway" / "snapshot.msgpack"


@pytest.fixture
def followed(committed_shop, file):
    """The file as it was before a change; its publisher goes on in the test."""
    snapshot = SnapshotFile(file)
    snapshot.update()
    return snapshot


def in_order(snapshot):
    """Rows come in no order."""
    kinds = ("apis", "products", "subscriptions", "backends")
    return replace(snapshot, **{kind: tuple(sorted(getattr(snapshot, kind), key=id_of)) for kind in kinds})


def id_of(row):
    return row.id


def assert_is_right(file):
    assert in_order(gateway_snapshot.read(file)) == in_order(read_snapshot())


def raw(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def with_all_at_once(shop):
    with transaction.atomic():
        create(display_name="All", by=None)
        change_state(shop.subscription, State.SUSPENDED, by=None)
        API.objects.update(path="other")


def with_a_part_rolled_back(shop):
    with transaction.atomic():
        with transaction.atomic():
            Subscription.objects.update(state=State.SUSPENDED)
            API.objects.update(path="never")
            transaction.set_rollback(True)
        keys.regenerate(shop.subscription, SubscriptionKey.Slot.PRIMARY)


def move_a_key(shop):
    other = create(display_name="Other", by=None)
    other.keys.all().delete()
    shop.subscription.keys.filter(slot="primary").update(subscription=other)


def end_an_old_key(shop):
    keys.regenerate(shop.subscription, SubscriptionKey.Slot.PRIMARY, overlap=keys.Overlap.DAY)
    keys.end_old(shop.subscription, SubscriptionKey.Slot.PRIMARY, by=None)


def delete_alice(shop):
    end_all_of(shop.alice, by=None)
    shop.alice.delete()


CHANGES = {
    "a new subscription": lambda shop: create(display_name="All", by=None),
    "a suspended subscription": lambda shop: change_state(shop.subscription, State.SUSPENDED, by=None),
    "a deleted subscription": lambda shop: shop.subscription.delete(),
    "a bulk update of subscriptions": lambda shop: Subscription.objects.update(expires_at=timezone.now()),
    "tracing allowed": lambda shop: Subscription.objects.update(allow_tracing=True),
    "a new key": lambda shop: keys.regenerate(shop.subscription, SubscriptionKey.Slot.PRIMARY),
    "a new key beside the old one": lambda shop: keys.regenerate(
        shop.subscription, SubscriptionKey.Slot.PRIMARY, overlap=keys.Overlap.DAY
    ),
    "an old key that ends": end_an_old_key,
    "a key deleted by raw SQL": lambda shop: raw("DELETE FROM subscriptions_subscriptionkey WHERE slot = 'primary'"),
    "a key moved to another subscription": move_a_key,
    "raw SQL": lambda shop: raw("UPDATE subscriptions_subscription SET state = 'expired'"),
    "another owner": lambda shop: Subscription.objects.update(owner=None),
    "a blocked user": lambda shop: User.objects.update(state=User.State.BLOCKED),
    "a deleted user": delete_alice,
    "a new API": lambda shop: API.objects.create(name="b", display_name="B", path="b", service_url="http://b"),
    "a changed API": lambda shop: API.objects.update(service_url="http://c"),
    "encoded slashes": lambda shop: API.objects.update(allow_encoded_slashes=True),
    "a deprecated API": lambda shop: API.objects.update(deprecated_at=timezone.now()),
    "a deprecated operation": lambda shop: Operation.objects.update(
        deprecated_at=timezone.now(), migration_url="https://www.example.org/moving"
    ),
    "a deleted operation": lambda shop: shop.operation.delete(),
    "a new operation": lambda shop: Operation.objects.create(
        api=shop.api, name="z", display_name="Z", method="PUT", url_template="/z"
    ),
    "a new product": lambda shop: Product.objects.create(name="n", display_name="N"),
    "a policy": lambda shop: ProductPolicy.objects.create(product=shop.product, document="<policies/>"),
    "a backend": lambda shop: Backend.objects.create(name="b", url="http://b"),
    "another service name": lambda shop: Service.objects.update(name="other"),
    "many things in one transaction": with_all_at_once,
    "a transaction rolled back in part": with_a_part_rolled_back,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_appended(committed_shop, followed, file, change):
    before = file.stat()
    change(committed_shop)
    assert changes.revision().number != followed.revision
    followed.update()
    assert_is_right(file)
    assert followed.revision == changes.revision().number
    assert file.stat().st_ino == before.st_ino
    assert file.stat().st_size > before.st_size


def test_rows_that_go_leave_the_file(committed_shop, followed, file):
    create(display_name="One", by=None, api=committed_shop.api)
    Backend.objects.create(name="b", url="http://b")
    followed.update()
    for model in (Subscription, API, Product, Backend):
        model.objects.all().delete()
    followed.update()
    left = gateway_snapshot.read(file)
    assert (left.apis, left.products, left.subscriptions, left.backends) == ((), (), (), ())


def test_a_change_costs_the_same_however_many_subscriptions_there_are(
    committed_shop, followed, file, django_assert_max_num_queries
):
    Subscription.objects.bulk_create(
        Subscription(display_name=str(number), all_apis=True, owner=None) for number in range(500)
    )
    followed.update()
    before = file.stat().st_size
    change_state(committed_shop.subscription, State.SUSPENDED, by=None)
    with django_assert_max_num_queries(7):
        followed.update()
    assert file.stat().st_size - before < 1000
    assert_is_right(file)


def test_a_change_of_more_subscriptions_than_the_log_tells_is_read_whole(committed_shop, followed, file, monkeypatch):
    monkeypatch.setattr(changes, "MAX_CHANGES", 2)
    for name in "abc":
        create(display_name=name, by=None)
    followed.update()
    assert_is_right(file)


def test_a_file_that_has_grown_long_is_written_anew(committed_shop, followed, file, monkeypatch):
    monkeypatch.setattr(snapshot_file, "SPARE_BYTES", 0)
    sizes = [file.stat().st_size]
    for state in [State.SUSPENDED, State.ACTIVE] * 10:
        change_state(committed_shop.subscription, state, by=None)
        followed.update()
        sizes.append(file.stat().st_size)
    assert max(sizes) < 3 * sizes[0]
    assert sizes.count(min(sizes)) > 1
    assert_is_right(file)


DAMAGES = {
    "a torn frame": lambda file: append_to(file, b"\xff\x00"),
    "zeros": lambda file: append_to(file, bytes(100)),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "cut off within the first change": lambda file: file.write_bytes(file.read_bytes()[:50]),
    "another format": lambda file: file.write_bytes(b"\x88\xa8revision\x01"),
    "empty": lambda file: file.write_bytes(b""),
    "lost": lambda file: file.unlink(),
    "a flipped bit": lambda file: file.write_bytes(
        (whole := bytearray(file.read_bytes()))[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    ),
}


def append_to(file, more):
    with file.open("ab") as stream:
        stream.write(more)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_new_publisher_mends_a_damaged_file(committed_shop, followed, file, damage):
    damage(file)
    SnapshotFile(file).update()
    assert_is_right(file)


@pytest.mark.parametrize(
    "damage", [DAMAGES[name] for name in ("a torn frame", "cut off", "lost")], ids=["longer", "shorter", "lost"]
)
def test_a_file_that_somebody_else_changed_is_written_anew(committed_shop, followed, file, damage):
    damage(file)
    API.objects.update(path="other")
    followed.update()
    assert_is_right(file)


def test_a_full_disk_tears_nothing_for_long(committed_shop, followed, file, monkeypatch):
    def write_half(*arguments):
        append_to(file, b"half a frame")
        raise OSError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(gateway_snapshot, "append", write_half)
        full.setattr(gateway_snapshot, "write", write_half)
        API.objects.update(path="other")
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                followed.update()
    followed.update()
    assert_is_right(file)


def test_a_publisher_that_comes_back_appends_what_it_missed(committed_shop, followed, file):
    before = file.stat()
    create(display_name="All", by=None)
    API.objects.update(path="other")
    SnapshotFile(file).update()
    assert_is_right(file)
    assert file.stat().st_ino == before.st_ino


def test_publishers_of_several_machines_follow_one_database(committed_shop, followed, file, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "snapshot.msgpack"
    other = SnapshotFile(elsewhere)
    create(display_name="First", by=None)
    other.update()
    create(display_name="Second", by=None)
    API.objects.update(path="other")
    for snapshot in (followed, other):
        snapshot.update()
    assert_is_right(file)
    assert_is_right(elsewhere)


def test_a_publisher_behind_the_log_reads_everything(committed_shop, followed, file, monkeypatch):
    monkeypatch.setattr(changes, "KEPT_CHANGES", 2)
    for name in "abcdefgh":
        create(display_name=name, by=None)
    changes.prune_log()
    assert SubscriptionChange.objects.count() <= 2 * 3
    assert changes.revision().log_start > followed.revision
    followed.update()
    assert_is_right(file)


def test_pruning_leaves_a_short_log_alone(committed_shop, followed):
    create(display_name="All", by=None)
    before = SubscriptionChange.objects.count()
    changes.prune_log()
    assert SubscriptionChange.objects.count() == before > 0


@pytest.mark.parametrize("number", [0, 1])
def test_a_database_that_went_back_is_read_whole(committed_shop, followed, file, number):
    Subscription.objects.update(state=State.SUSPENDED)
    Revision.objects.update(number=number, log_start=0, catalogue=0)
    followed.update()
    assert_is_right(file)


def test_migrating_makes_everything_count_as_changed(committed_shop, followed, file):
    with connection.cursor() as cursor:
        name = "gateway_revision_subscriptions_subscription_update"
        on_table = " ON subscriptions_subscription" if connection.vendor == "postgresql" else ""
        name = "gateway_revision_update" if connection.vendor == "postgresql" else name
        cursor.execute(f"DROP TRIGGER {name}{on_table}")
    Subscription.objects.update(state=State.SUSPENDED)
    triggers.install(connection)
    followed.update()
    assert_is_right(file)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'")
class TestPostgreSQL:
    @pytest.mark.parametrize("is_blocked_first", [True, False], ids=["blocked first", "subscribed first"])
    def test_who_is_blocked_while_he_subscribes_has_no_active_subscription(
        self, committed_shop, followed, file, is_blocked_first
    ):
        def block():
            User.objects.update(state=User.State.BLOCKED)

        def subscribe():
            # Past the lifecycle, which would wait: triggers see every writer.
            Subscription.objects.create(display_name="Late", owner=committed_shop.alice, all_apis=True)

        first, second = (block, subscribe) if is_blocked_first else (subscribe, block)
        with transaction.atomic():
            first()
            in_another_connection(second)
            in_another_connection(followed.update)
        followed.update()
        assert_is_right(file)
        assert [one.is_active for one in gateway_snapshot.read(file).subscriptions] == [False, False]

    def test_a_change_is_seen_when_it_commits_however_late(self, committed_shop, followed, file):
        with transaction.atomic():
            change_state(committed_shop.subscription, State.SUSPENDED, by=None)
            in_another_connection(lambda: create(display_name="Meanwhile", by=None))
            in_another_connection(followed.update)
        followed.update()
        assert_is_right(file)
        assert {one.is_active for one in gateway_snapshot.read(file).subscriptions} == {True, False}

    def test_changes_after_a_check_of_constraints_are_numbered_too(self, committed_shop, followed, file):
        with transaction.atomic():
            create(display_name="Before", by=None)
            raw("SET CONSTRAINTS ALL IMMEDIATE")
            create(display_name="After", by=None)
        assert not SubscriptionChange.objects.filter(revision=None).exists()
        followed.update()
        assert_is_right(file)

    def test_a_transaction_that_changes_very_many_is_not_logged_to_its_end(self, committed_shop, followed, file):
        Subscription.objects.bulk_create(
            Subscription(display_name=str(number), all_apis=True) for number in range(triggers.LOGGED_PER_TRANSACTION)
        )
        assert changes.revision().log_start < changes.revision().number
        Subscription.objects.update(state=State.SUSPENDED)
        assert changes.revision().log_start == changes.revision().number
        followed.update()
        assert_is_right(file)

    def test_truncated_keys_are_gone(self, committed_shop, followed, file):
        raw("TRUNCATE subscriptions_subscriptionkey")
        followed.update()
        assert_is_right(file)
        assert [one.keys for one in gateway_snapshot.read(file).subscriptions] == [()]
