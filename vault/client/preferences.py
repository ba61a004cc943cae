"""What a visitor of the web site likes, under the random id of a cookie; for the storefront."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vault.client.base import VaultClient
from vault.client.chosen_ids import checked
from vault.client.records import info_of
from vault.domain import names
from vault.domain.preferences import check
from vault.errors import DataLoss
from vault.v1 import visitor_service_pb2
from vault.v1.records_pb2 import FormFields


@dataclass(frozen=True, slots=True)
class SavedPreferences:
    """What to put into the cookie."""

    visitor_id: str = field(repr=False)
    """32 hex digits: whoever has it is the visitor."""
    expire_time: datetime


class PreferenceKeeper(VaultClient):
    """Saves and gets the preferences of visitors."""

    async def save_preferences(
        self, preferences: Mapping[str, str], *, visitor_id: str = "", request_id: str = ""
    ) -> SavedPreferences:
        """Keep a visitor's preferences, in the place of those from before.

        Args:
            preferences: up to 50 of up to 256 bytes, by names as `theme`; nothing that says who the visitor is.
            visitor_id: from the cookie; the vault makes one if empty.
            request_id: a UUID. The same call repeated with it has one effect and the first one's answer, for 24 hours.

        Raises:
            InvalidArgument: a preference could say who the visitor is, or the cookie's id is none; nothing is echoed.
        """
        check(preferences)
        request = visitor_service_pb2.SavePreferencesRequest(
            visitor_id=visitor_id and names.visitor_id(visitor_id),
            preferences=FormFields(values=preferences),
            request_id=checked(request_id),
        )
        answer = await self._connection.call(self._connection.visitors.SavePreferences, request)
        if visitor_id and answer.visitor_id != visitor_id:
            raise DataLoss("the answer is about another visitor")
        return SavedPreferences(names.visitor_id(answer.visitor_id), answer.expire_time.ToDatetime(UTC))

    async def get_preferences(self, visitor_id: str) -> dict[str, str]:
        """The preferences of the visitor whose cookie this is.

        Raises:
            NotFound: none were saved under it, or they were forgotten.
        """
        name = names.preferences_name(names.visitor_id(visitor_id))
        request = visitor_service_pb2.GetPreferencesRequest(visitor_id=visitor_id)
        answer = await self._connection.call(self._connection.visitors.GetPreferences, request)
        info_of(answer.preferences, name)
        return dict(answer.preferences.preferences.values)
