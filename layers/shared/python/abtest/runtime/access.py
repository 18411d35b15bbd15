"""Who calls, and what their role allows. Deny by default.

Roles come from the groups of the token: `viewer` reads, `experimenter` creates and runs, `admin` configures. A
group `workspace.NAME` puts its members into that workspace; without one it is `default`. A caller signed by IAM
(a pipeline in the same account) is an experimenter: who may sign is decided by IAM.

Depends on: `abtest.core`. Used by: `abtest.runtime.http_requests`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from abtest.core.errors import AccessDeniedError

DEFAULT_WORKSPACE = "default"
_WORKSPACE_GROUP = "workspace."
_WORKSPACE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Role(IntEnum):
    """What a caller may do; a higher role includes the lower ones."""

    NONE = 0
    VIEWER = 1
    EXPERIMENTER = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """A caller whose identity the gateway has proved.

    Args:
        name: for records: who started, who created.
        workspace: all they can see.
    """

    name: str
    role: Role
    workspace: str

    def require(self, role: Role) -> Caller:
        """Return the caller when the role suffices.

        Raises:
            AccessDeniedError: it does not.
        """
        if self.role < role:
            raise AccessDeniedError(
                f"This needs the role {role.name.lower()}; yours is {self.role.name.lower()}. "
                "An administrator adds you to the group of that name."
            )
        return self


def caller_of(request_context: Mapping[str, Any]) -> Caller:
    """Return the caller from the request context of an HTTP API event (payload format 2.0).

    Args:
        request_context: its `authorizer` was filled by API Gateway, never by the client.

    Raises:
        AccessDeniedError: no authorizer has spoken, or the groups name two workspaces.
    """
    authorizer = request_context.get("authorizer") or {}
    if "jwt" in authorizer:
        return _from_claims((authorizer["jwt"] or {}).get("claims") or {})
    if "iam" in authorizer:
        arn = str((authorizer["iam"] or {}).get("userArn") or "iam")
        return Caller(name=arn, role=Role.EXPERIMENTER, workspace=DEFAULT_WORKSPACE)
    raise AccessDeniedError("The request is not authenticated; sign in with `abtest login`.")


def _from_claims(claims: Mapping[str, Any]) -> Caller:
    groups = _groups(claims.get("cognito:groups"))
    known = (Role[g.upper()] for g in groups if g.upper() in Role.__members__)
    workspaces = [g.removeprefix(_WORKSPACE_GROUP) for g in groups if g.startswith(_WORKSPACE_GROUP)]
    if len(workspaces) > 1 or not all(_WORKSPACE_NAME.fullmatch(w) for w in workspaces):
        raise AccessDeniedError(f"The groups of this account must name one workspace; they name {workspaces}.")
    name = claims.get("username") or claims.get("cognito:username") or claims.get("client_id") or claims.get("sub")
    return Caller(
        name=str(name or "unknown"),
        role=max(known, default=Role.NONE),
        workspace=workspaces[0] if workspaces else DEFAULT_WORKSPACE,
    )


def _groups(claim: Any) -> list[str]:
    # API Gateway hands a list claim on as the text "[admin viewer]"; an emulator may hand on the list itself.
    if isinstance(claim, str):
        return [g for g in re.split(r"[\s,]+", claim.strip("[]")) if g]
    return [str(g) for g in claim or []]
