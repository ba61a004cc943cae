"""What the services of one process share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault.audit.log import AuditLog
from vault.domain import names
from vault.domain.names import CustomerId
from vault.errors import DataLoss, NotFound
from vault.keyring.keyring import Keyring
from vault.policy.decide import DENIED
from vault.policy.model import Policy
from vault.service.call import Call
from vault.service.clock import Clock
from vault.service.opening import Opened, Records, customer_facts
from vault.service.witness import Witness
from vault.storage.port import Storage
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:  # They use these parts themselves.
    from vault.service.holds import Holds
    from vault.service.orders import Orders
    from vault.service.reading import Reader
    from vault.service.retention import Retention
    from vault.service.trail import Trail
    from vault.service.writing import Journal, Writer


@dataclass(frozen=True, slots=True)
class Parts:
    """The policy, the keys, the stores and the ways of reads and writes."""

    policy: Policy
    keyring: Keyring
    store: Storage
    records: Records
    reader: "Reader"
    writer: "Writer"
    journal: "Journal"
    log: AuditLog
    clock: Clock
    retention: "Retention"
    orders: "Orders"
    holds: "Holds"
    trail: "Trail"
    witness: Witness | None = None
    largest_message: int = 50 << 20
    """Bytes of a message's body in plain."""

    async def customer(self, call: Call, customer: CustomerId) -> tuple[Opened, CustomerFacts]:
        """The customer record and its facts, for writes and for names and times.

        Raises:
            NotFound: there is none that may be known.
            DataLoss: it does not open.
        """
        name = names.customer_name(customer)
        opened = (await self.records.open([name], call.now)).get(name)
        if opened is None:
            raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
        if isinstance(opened, DataLoss):
            raise opened
        return opened, customer_facts(opened)
