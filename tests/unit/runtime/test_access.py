"""Who may do what: roles and workspaces from the proved identity, denied by default."""

from __future__ import annotations

from typing import Any

import pytest

from abtest.core.errors import AccessDeniedError
from abtest.runtime.access import Caller, Role, caller_of


def by_token(groups: Any, **claims: Any) -> dict[str, Any]:
    return {"authorizer": {"jwt": {"claims": {"username": "ada", "cognito:groups": groups, **claims}, "scopes": None}}}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("[viewer]", Role.VIEWER),
        ("[experimenter]", Role.EXPERIMENTER),
        ("[viewer admin]", Role.ADMIN),
        ("viewer,experimenter", Role.EXPERIMENTER),
        (["admin"], Role.ADMIN),
        ("[]", Role.NONE),
        ("[staff]", Role.NONE),
        ("", Role.NONE),
        (None, Role.NONE),
    ],
)
def test_role_is_the_highest__of_the_groups(groups: Any, role: Role) -> None:
    assert caller_of(by_token(groups)) == Caller("ada", role, "default")


def test_workspace_is_a_group() -> None:
    assert caller_of(by_token("[viewer workspace.search-team]")).workspace == "search-team"


@pytest.mark.parametrize("groups", ["[workspace.a workspace.b]", "[workspace.a#b]", "[workspace.]", ["workspace.a/b"]])
def test_unclear_workspace_is_denied(groups: Any) -> None:
    with pytest.raises(AccessDeniedError, match="one workspace"):
        caller_of(by_token(groups))


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"username": "ada"}, "ada"),
        ({"cognito:username": "bob"}, "bob"),
        ({"client_id": "pipeline"}, "pipeline"),
        ({"sub": "123"}, "123"),
        ({}, "unknown"),
    ],
)
def test_name_is_what_the_token_says(claims: dict[str, str], name: str) -> None:
    assert caller_of({"authorizer": {"jwt": {"claims": claims}}}).name == name


def test_signed_caller_is_an_experimenter__of_the_default_workspace() -> None:
    arn = "arn:aws:iam::123456789012:role/pipeline"

    assert caller_of({"authorizer": {"iam": {"userArn": arn}}}) == Caller(arn, Role.EXPERIMENTER, "default")


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {}}, {"authorizer": {"lambda": {}}}])
def test_nobody_is_let_in__without_an_authorizer(context: dict[str, Any]) -> None:
    with pytest.raises(AccessDeniedError, match="not authenticated"):
        caller_of(context)


@pytest.mark.parametrize("held", list(Role))
@pytest.mark.parametrize("needed", [Role.VIEWER, Role.EXPERIMENTER, Role.ADMIN])
def test_role_includes_the_lower_ones(held: Role, needed: Role) -> None:
    caller = Caller("ada", held, "default")
    if held >= needed:
        assert caller.require(needed) is caller
        return
    with pytest.raises(AccessDeniedError, match=f"needs the role {needed.name.lower()}; yours is {held.name.lower()}"):
        caller.require(needed)
