"""What all entities of management have in common.

Depends on: pydantic. Used by: the models of management.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Entity(BaseModel):
    """A thing with an identity; changes are new values."""

    model_config = ConfigDict(frozen=True)
