"""What is wrong in the description of the infrastructure, found before anything is deployed.

```
ConfigurationError                 a value, file or name the infrastructure cannot use
├─ FunctionEnvironmentError        a function's settings and its values differ
└─ LayerBuildError                 a layer cannot be built
```

Depends on: nothing. Used by: the rest of infra.
"""

from __future__ import annotations


class ConfigurationError(Exception):
    """A value, file or name the infrastructure cannot use; the message says where and what is allowed."""


class FunctionEnvironmentError(ConfigurationError):
    """A function's settings class and the values the infrastructure has for it differ."""


class LayerBuildError(ConfigurationError):
    """A layer cannot be built, or is too large."""
