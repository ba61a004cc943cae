"""What customers say about the use of their data, as the privacy officer records it and reads it back.

Each is recorded with the channel and the time at which the customer said it, and stands in the customer's history for
good: what counts is the last one. It counts from the next read on, and for what of a batch under way has not left.
"""

from datetime import datetime
from typing import Final

from vault.client.base import VaultClient
from vault.client.chosen_ids import checked
from vault.errors import InvalidArgument
from vault.v1 import consent_pb2 as said
from vault.v1 import customer_service_pb2 as v1

CHANNELS: Final = ("web_form", "email", "telephone", "letter", "in_person")
STATES: Final = ("given", "refused", "withdrawn")
GROUNDS: Final = ("accuracy_contested", "unlawful_processing", "legal_claims", "objection_pending")


class Statements(VaultClient):
    """Records what customers say."""

    async def set_consent(  # noqa: PLR0913 - what the law wants on record
        self,
        customer_id: str,
        purpose: str,
        state: str,
        *,
        channel: str,
        notice_version: str = "",
        said_at: datetime | None = None,
        expires_at: datetime | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> said.Consent:
        """Record that a customer gave, refused or withdrew consent; the purpose's consent record with its history.

        Args:
            customer_id: whose.
            purpose: one that the policy makes depend on consent, `partner_offers`.
            state: one of `STATES`.
            channel: how the customer said it, one of `CHANNELS`.
            notice_version: of the privacy notice that the customer was shown; needed to give consent.
            said_at: when; now if left out.
            expires_at: from when on the consent holds no more.
            etag: the customer's newest that the caller saw; empty writes without looking.
            request_id: a UUID: the same call repeated with it has one effect; the SDK's own if empty.

        Raises:
            InvalidArgument: a value contradicts another, or the policy.
            NotFound: there is no such customer.
            Conflict: the etag is not the newest.
        """
        request = v1.SetConsentRequest(
            customer_id=customer_id,
            purpose=purpose,
            state=said.ConsentState.Value(f"CONSENT_STATE_{_one_of(STATES, state, 'state')}"),
            notice_version=notice_version,
            statement=_statement(channel, said_at),
            expire_time_ms=_ms(expires_at),
            etag=etag,
            request_id=checked(request_id),
        )
        return (await self._connection.call(self._connection.customers.SetConsent, request)).consent

    async def set_objection(
        self,
        customer_id: str,
        purpose: str,
        *,
        objects: bool,
        channel: str,
        said_at: datetime | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> said.Objection:
        """Record that a customer objects to a purpose, or no more. Arguments and errors as `set_consent`."""
        request = v1.SetObjectionRequest(
            customer_id=customer_id,
            purpose=purpose,
            objects=objects,
            statement=_statement(channel, said_at),
            etag=etag,
            request_id=checked(request_id),
        )
        return (await self._connection.call(self._connection.customers.SetObjection, request)).objection

    async def restrict_customer(
        self,
        customer_id: str,
        ground: str,
        *,
        channel: str,
        said_at: datetime | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> said.RestrictionEvent:
        """Restrict a customer's data to storage and legal claims (GDPR article 18).

        Args:
            customer_id: whose.
            ground: one of `GROUNDS`: article 18(1)(a) to (d).
            channel: as `set_consent`.
            said_at: as `set_consent`.
            etag: as `set_consent`.
            request_id: as `set_consent`.
        """
        number = said.RestrictionGround.Value(f"RESTRICTION_GROUND_{_one_of(GROUNDS, ground, 'ground')}")
        request = v1.RestrictCustomerRequest(
            customer_id=customer_id,
            restricted=True,
            ground=number,
            statement=_statement(channel, said_at),
            etag=etag,
            request_id=checked(request_id),
        )
        return (await self._connection.call(self._connection.customers.RestrictCustomer, request)).restriction

    async def lift_restriction(
        self,
        customer_id: str,
        *,
        channel: str,
        said_at: datetime | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> said.RestrictionEvent:
        """Lift a restriction; article 18(3) wants the customer told before.

        Raises:
            FailedPrecondition: there is none.
        """
        request = v1.RestrictCustomerRequest(
            customer_id=customer_id,
            statement=_statement(channel, said_at),
            etag=etag,
            request_id=checked(request_id),
        )
        return (await self._connection.call(self._connection.customers.RestrictCustomer, request)).restriction

    async def get_statements(self, customer_id: str) -> v1.GetCustomerResponse:
        """What a customer said, with its history, and who read what of it, counted from the whole log.

        Raises:
            NotFound: there is no such customer.
        """
        request = v1.GetCustomerRequest(customer_id=customer_id, full=True)
        return await self._connection.call(self._connection.customers.GetCustomer, request)


def _statement(channel: str, said_at: datetime | None) -> said.Statement:
    number = said.ConsentChannel.Value(f"CONSENT_CHANNEL_{_one_of(CHANNELS, channel, 'channel')}")
    return said.Statement(event_time_ms=_ms(said_at), channel=number)


def _ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


def _one_of(known: tuple[str, ...], text: str, field: str) -> str:
    if text not in known:
        raise InvalidArgument(field, f"must be one of {', '.join(known)}")
    return text.upper()
