"""PolicyService: the policy in force, for whoever is bound by it."""

from dataclasses import asdict

from vault.errors import PermissionDenied
from vault.policy.decide import DENIED
from vault.policy.explain import explain
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.parts import Parts
from vault.v1 import policy_service_pb2 as v1
from vault.v1 import status_pb2 as status

_MAY_ASK_FOR_OTHERS = frozenset({"officer", "operator", "auditor"})


class Policies:
    """Shows and explains."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get_policy(self, call: Call, _request: v1.GetPolicyRequest) -> v1.GetPolicyResponse:
        """Purposes, fields and clauses."""
        policy = self._parts.policy
        own = policy.limits.of(call.caller.spiffe_id, call.caller.roles)
        response = v1.GetPolicyResponse(digest=policy.digest, limit=v1.CallerLimit(**asdict(own)))
        for purpose in policy.purposes.values():
            response.purposes.add(
                purpose=purpose.purpose,
                custody=purpose.custody.value,
                roles=sorted(purpose.roles),
                condition=purpose.condition.value,
                clause=purpose.clause,
            )
        for rule in policy.fields.values():
            response.fields.add(field=rule.field, audience=rule.audience, caller_only=rule.caller_only)
        await self._parts.journal.append(call, touched_entry(call, Touched()))
        return response

    async def explain_access(self, call: Call, request: v1.ExplainAccessRequest) -> v1.ExplainAccessResponse:
        """May X read F for P, and which clause says so? Others than oneself: officer, operator and auditor only."""
        roles = call.caller.roles
        if request.caller and request.caller != call.caller.spiffe_id and request.caller not in roles:
            if not roles & _MAY_ASK_FOR_OTHERS:
                raise PermissionDenied(status.REASON_METHOD_NOT_ALLOWED, DENIED)
            policy = self._parts.policy
            roles = frozenset({request.caller}) if request.caller in policy.roles else policy.roles_of(request.caller)
        found = explain(self._parts.policy, roles, request.field, request.purpose)
        await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=found.purpose))
        return v1.ExplainAccessResponse(
            allowed=found.allowed,
            reason=found.reason,
            purpose=found.purpose,
            clause=found.clause,
            condition=found.condition.value,
            explanation=found.text,
        )
