"""Preferences of visitors: one record under the id of a cookie, that ends when nobody has saved it for long enough.

Nothing here knows a customer or a visit, and nothing of it can be joined with either. The owner of the record is the
cookie, whose id is drawn at random and must look like it; an id that a customer has is refused, in the place of the
cookie's and inside of a value, so that a site cannot file a customer's likes here by accident or by design. In the log
each call has a pseudonym of its own.

To ask for a customer's id tells the caller whether there is such a customer. Who may save preferences may create
customers as well, and is told the same by that.
"""

import re
from typing import Final

from vault.domain import names
from vault.domain import preferences as rules
from vault.domain.names import CustomerId, RecordName, VisitorId
from vault.errors import Conflict, InvalidArgument, VaultError
from vault.policy.decide import permit
from vault.service.call import Call
from vault.service.changing import current, put_drafts
from vault.service.drafts import Draft
from vault.service.entries import new_subject
from vault.service.kinds import PREFERENCES
from vault.service.parts import Parts
from vault.v1 import visitor_service_pb2 as v1
from vault.v1.records_pb2 import SitePreferences

_ATTEMPTS: Final = 5
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{6,64}", re.ASCII)
"""What could be a customer's id. Shorter ones are words of every site (`dark`, `12px`), whoever is called so."""


class Preferences:
    """Keeps and gives preferences."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def save_preferences(self, call: Call, request: v1.SavePreferencesRequest) -> v1.SavePreferencesResponse:
        """Keep a visitor's preferences, in the place of those from before."""
        parts = self._parts
        if request.visitor_id:
            names.visitor_id(request.visitor_id)
        rules.check(request.preferences.values)
        repeatable, seen = await parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.SavePreferencesResponse.FromString(seen)
        await self._refuse_customers(request)
        visitor = VisitorId(request.visitor_id or names.new_id())
        response = v1.SavePreferencesResponse(visitor_id=visitor)
        ends = parts.policy.retention.preferences.after(call.now)
        response.expire_time.FromMilliseconds(ends)
        name = names.preferences_name(visitor)
        for _ in range(_ATTEMPTS):
            draft = Draft(name, PREFERENCES, SitePreferences(preferences=request.preferences), call.now)
            draft.expires_at = ends
            old = draft.replaces = await current(parts, call, name)
            if old is not None and old.locked.expires_at > call.now:
                draft.create_time = SitePreferences.FromString(old.record.unprotected).create_time.ToMilliseconds()
            answer = await put_drafts(parts, call, [draft], new_subject(), lambda _: response, repeatable)
            if answer is not None:
                return answer
        raise Conflict("preferences: other writes came first; save them again")

    async def get_preferences(self, call: Call, request: v1.GetPreferencesRequest) -> v1.GetPreferencesResponse:
        """The preferences of the visitor whose cookie this is."""
        allowed = permit(self._parts.policy, call.caller, request.purpose, PREFERENCES.category)
        name = names.preferences_name(names.visitor_id(request.visitor_id))
        response = v1.GetPreferencesResponse()
        (result,) = await self._parts.reader.read(call, allowed, PREFERENCES, [name], iter([response.preferences]))
        if isinstance(result, VaultError):
            raise result
        return response

    async def _refuse_customers(self, request: v1.SavePreferencesRequest) -> None:
        """Refuse what names a customer.

        Raises:
            InvalidArgument: the cookie's id is a customer's, or a value holds one.
        """
        words = {word for value in request.preferences.values.values() for word in _WORD.findall(value)}
        asked = sorted({request.visitor_id, *words} - {""})
        wanted: list[RecordName] = [names.customer_name(CustomerId(word)) for word in asked]
        for name in await self._parts.store.fetch(wanted) if wanted else ():
            where = "visitor_id" if name == f"customers/{request.visitor_id}" else "preferences.values"
            raise InvalidArgument(where, "must not be about a customer")
