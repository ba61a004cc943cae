"""Orders of disclosure and a writer in the database (T17, T18): forged, rolled back, dropped, half written.

An order's row is sealed, so none can be made; and each version's digest is in the log, so an older one in the place of
the newest is found at the first use, and holds stay in force until it is put right.
"""

import pytest

from tests.abuse import disk
from tests.disclosing import ALICE, BOB, approve, approved, ask, reject
from tests.figures import Figures
from tests.vaults import OpenVault, opened
from vault.audit.entry import parse
from vault.crypto.vault_key import RowName
from vault.errors import DataLoss, PermissionDenied, VaultError
from vault.keyring.system_rows import SYSTEM
from vault.store.v1.system_pb2 import Order
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import disclosure_service_pb2 as v1
from vault.v1 import status_pb2 as status

_NEWEST = "kind = 'system' AND row = ? AND version = (SELECT max(version) FROM system_rows WHERE row = ?)"


@pytest.fixture(autouse=True)
async def customers_there(vault: OpenVault) -> None:
    """Two of them."""
    for customer in ("c0", "c1"):
        await vault.create(customer)


def change(vault: OpenVault, sql: str, order_id: str) -> None:
    """Run a statement on the newest version of an order's row."""
    row = f"orders/{order_id}"
    with disk.writer(vault.home / disk.KEYS) as keys:
        assert keys.execute(f"{sql} WHERE {_NEWEST}", (row, row)).rowcount == 1


async def read(vault: OpenVault, order_id: str) -> VaultError | None:
    """Legal reads c0; the refusal, if it is one."""
    request = contacts.GetContactRequest(customer_id="c0", order_id=order_id)
    try:
        assert (await vault.call("legal", "ContactService.GetContact", request)).contact.sealed
    except VaultError as error:
        return error
    return None


async def test_a_rejection_cannot_be_rolled_back(vault: OpenVault) -> None:
    """The newest row is dropped, so that the one before reads as approved: while the vault runs, and after a start."""
    order = await approved(vault, "c0")
    assert await read(vault, order.order_id) is None
    await reject(vault, order.order_id)
    change(vault, "DELETE FROM system_rows", order.order_id)
    assert isinstance(await read(vault, order.order_id), DataLoss)
    logged = parse((await vault.entries())[-1])
    assert (logged.action, logged.reason, logged.order) == (
        "ContactService.GetContact",
        status.REASON_DATA_LOSS,
        order.order_id,
    )
    await vault.vault.close()
    async with opened(vault.home) as again:
        assert isinstance(await read(again, order.order_id), DataLoss)
        error = await again.refusal(BOB, _APPROVE, v1.ApproveDisclosureRequest(order_id=order.order_id))
        assert isinstance(error, DataLoss)


_FORGERIES: dict[str, str] = {
    "altered": "UPDATE system_rows SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB)",
    "of an older version": "UPDATE system_rows SET version = version + 1",
    "of another order": "UPDATE system_rows SET row = 'orders/other'",
    "dropped": "DELETE FROM system_rows",
    "destroyed": "UPDATE system_rows SET destroyed = 1",
}


@pytest.mark.parametrize("sql", _FORGERIES.values(), ids=_FORGERIES)
async def test_an_order_that_was_changed_opens_nothing_and_releases_nothing(vault: OpenVault, sql: str) -> None:
    """Refused and reported; what it kept is still not destroyed, also after a start."""
    order = await approved(vault, "c0")
    change(vault, sql, order.order_id)
    assert isinstance(await read(vault, order.order_id), DataLoss)
    await vault.vault.close()
    async with opened(vault.home) as again:
        assert isinstance(await read(again, order.order_id), DataLoss)
        erase = customers.EraseCustomerRequest(customer_id="c0")
        assert isinstance(await again.refusal("officer", "CustomerService.EraseCustomer", erase), DataLoss)


async def test_an_approval_cannot_be_forged_with_the_vault_key_alone(vault: OpenVault) -> None:
    """Two approvals in a row that opens, and no entry of them in the log."""
    order = await ask(vault, "c0")
    forged = v1.DisclosureOrder()
    found = await vault.parts.orders.find(order.order_id)
    assert found
    forged.CopyFrom(found)
    for person in (ALICE, BOB):
        forged.approvals.add(caller=person, time_ms=order.request.time_ms)
    row = Order(salt=bytes(16), order=forged).SerializeToString()
    await vault.parts.keyring.rows.add([(RowName(SYSTEM, f"orders/{order.order_id}", 2), row)])
    assert isinstance(await read(vault, order.order_id), PermissionDenied)
    await vault.vault.close()
    async with opened(vault.home) as again:
        assert isinstance(await read(again, order.order_id), PermissionDenied)


async def test_an_order_moved_from_another_vault_is_no_order(vault: OpenVault) -> None:
    """One that the log has never heard of."""
    row = Order(salt=bytes(16), order=v1.DisclosureOrder(order_id="planted")).SerializeToString()
    await vault.parts.keyring.rows.add([(RowName(SYSTEM, "orders/planted", 1), row)])
    assert isinstance(await read(vault, "planted"), PermissionDenied)


async def test_a_change_that_a_crash_cut_short_is_decided_again(vault: OpenVault) -> None:
    """The row of the second approval is there and its entry is not: not approved, until somebody approves it again."""
    order = await ask(vault, "c0")
    await approve(vault, order.order_id, ALICE)
    half = await vault.parts.orders.find(order.order_id)
    assert half
    half.approvals.add(caller=BOB, time_ms=1)
    row = Order(salt=bytes(16), order=half).SerializeToString()
    await vault.parts.keyring.rows.add([(RowName(SYSTEM, f"orders/{order.order_id}", 3), row)])
    assert isinstance(await read(vault, order.order_id), PermissionDenied)
    assert (await approve(vault, order.order_id, BOB)).state == v1.DISCLOSURE_STATE_APPROVED
    assert await read(vault, order.order_id) is None


_APPROVE = "DisclosureService.ApproveDisclosure"


async def test_every_state_of_an_order_gives_exactly_what_it_must(vault: OpenVault, figures: Figures) -> None:
    """T15 for orders: states x customers x masks x methods; wrong-allow and wrong-deny are counted."""
    await vault.create("free")
    covered = ("contact.name", "contact.phone")
    closed, rejected, half = [(await ask(vault, "c0", "free")).order_id for _ in range(3)]
    good = (await approved(vault, "c0", "free")).order_id
    other = (await approved(vault, "c1")).order_id
    for person in (ALICE, BOB):
        await approve(vault, closed, person)
    await approve(vault, half, ALICE)
    await reject(vault, closed)
    await reject(vault, rejected)
    cells = wrong = 0
    masks: list[tuple[str, ...]] = [(), ("name",), ("phone",), ("name", "phone"), ("email",), ("name", "city")]
    for order_id in ("", "unknown", half, closed, rejected, other, good):
        for customer in ("c0", "c1", "free", "nobody"):
            for mask in masks:
                allowed = (order_id, customer) in {(good, "c0"), (good, "free"), (other, "c1")}
                allowed &= {f"contact.{name}" for name in mask} <= set(covered)
                got = await _fields(vault, order_id, customer, mask)
                must = set(mask or ("name", "phone")) if allowed else set()
                cells += 2
                wrong += sum(each != must for each in got)
    figures(f"orders: {cells} cells, wrong {wrong}")
    assert not wrong


async def _fields(vault: OpenVault, order_id: str, customer: str, mask: tuple[str, ...]) -> list[set[str]]:
    """Names of the fields that came, from a single read and from a batch; empty if refused as all are."""
    numbers = {2: "name", 5: "city", 8: "phone", 9: "email"}
    one = contacts.GetContactRequest(customer_id=customer, order_id=order_id)
    many = contacts.BatchGetContactsRequest(customer_ids=[customer], order_id=order_id)
    found: list[set[str]] = []
    for method, request in (("GetContact", one), ("BatchGetContacts", many)):
        request.read_mask.paths.extend(mask)
        try:
            answer = await vault.call("legal", f"ContactService.{method}", request)
        except PermissionDenied:
            found.append(set())
            continue
        result = answer if method == "GetContact" else answer.results[0]
        boxes = [box for envelope in result.contact.sealed for box in envelope.boxes]
        found.append({numbers[box.field] for box in boxes})
    return found
