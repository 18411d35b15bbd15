"""Reads synthesised templates the way a person would: resources by type, ARNs with names in place of references."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.config import EnvironmentConfig

PARTS = ("data", "service", "operations")
_HASH = re.compile(r"[0-9A-F]{8}$")
Resource = dict[str, Any]


def read(assembly: Path, stack: str) -> dict[str, Any]:
    return json.loads((assembly / f"{stack}.template.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Environment:
    """The templates of one environment, by part."""

    config: EnvironmentConfig
    templates: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def resources(self, type_name: str, *parts: str) -> dict[str, Resource]:
        """Resources of a type over some parts, or all, by name without the CDK's hash."""
        return {
            name_of(logical_id): resource
            for part in parts or PARTS
            for logical_id, resource in self.templates[part]["Resources"].items()
            if resource["Type"] == type_name
        }

    def properties(self, type_name: str, *parts: str) -> dict[str, dict[str, Any]]:
        return {name: resource["Properties"] for name, resource in self.resources(type_name, *parts).items()}

    def text(self, value: Any) -> str:
        """A value as text; references are `<Name>` or `<Name.Attribute>`, also across stacks."""
        match value:
            case str():
                return value
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(self.text, parts))
            case {"Ref": name}:
                return f"<{name_of(name)}>"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"<{name_of(name)}.{attribute}>"
            case {"Fn::ImportValue": name}:
                return self.text(self._exported(name))
        raise AssertionError(f"cannot read {value!r}")

    def _exported(self, name: str) -> Any:
        for template in self.templates.values():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == name:
                    return output["Value"]
        raise AssertionError(f"nothing exports {name}")

    def rights(self, role: str) -> dict[str, set[str]]:
        """What a role may do: actions by resource. Managed and inline policies are none of ours."""
        properties = self.properties("AWS::IAM::Role")[role]
        assert "ManagedPolicyArns" not in properties
        assert "Policies" not in properties
        rights: dict[str, set[str]] = defaultdict(set)
        for policy in self.properties("AWS::IAM::Policy").values():
            if f"<{role}>" not in map(self.text, policy["Roles"]):
                continue
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                assert set(statement) == {"Action", "Effect", "Resource"}
                for resource in listed(statement["Resource"]):
                    rights[self.text(resource)].update(listed(statement["Action"]))
        return dict(rights)


def name_of(logical_id: str) -> str:
    return _HASH.sub("", logical_id)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
