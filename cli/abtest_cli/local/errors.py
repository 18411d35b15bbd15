"""What can go wrong on one machine. Every message says what happened, where, and the way out.

```
AbTestError
└─ LocalStackError
   ├─ PortInUseError          another process listens where the local AWS or the LLM should
   ├─ ResourceShortageError   disk or memory does not suffice
   ├─ LocalSetupError         a part of the installation is missing
   ├─ SettingsDifferError     a stack runs, with other settings than asked for
   ├─ StackBusyError          another command is starting or stopping it
   ├─ EmulatorError           the local AWS did not start, or died
   ├─ LlmError                the local LLM did not start, or died
   ├─ SynthesisError          app.py did not produce templates
   ├─ DeploymentError         a template could not be deployed
   ├─ IdentityError           the local user could not be made or sign in
   └─ NotRespondingError      a deployed part does not answer as it should
```

Depends on: `abtest.core.errors`. Used by: every module of `abtest_cli.local`.
"""

from __future__ import annotations

from abtest.core.errors import AbTestError


class LocalStackError(AbTestError):
    """The local stack cannot do what was asked."""

    code = "local_stack_error"


class PortInUseError(LocalStackError):
    """Another process listens on a port that is needed."""

    code = "local_port_in_use"


class ResourceShortageError(LocalStackError):
    """The machine lacks disk space or memory."""

    code = "local_resource_shortage"


class LocalSetupError(LocalStackError):
    """A package or file of the installation is missing."""

    code = "local_setup_incomplete"


class SettingsDifferError(LocalStackError):
    """A stack of the same home runs with other settings."""

    code = "local_settings_differ"


class StackBusyError(LocalStackError):
    """Another command works on the same home right now."""

    code = "local_stack_busy"


class EmulatorError(LocalStackError):
    """The embedded AWS did not start, or died."""

    code = "local_emulator_failed"


class LlmError(LocalStackError):
    """The local LLM did not start, or died."""

    code = "local_llm_failed"


class SynthesisError(LocalStackError):
    """`python app.py` did not produce the templates."""

    code = "local_synthesis_failed"


class DeploymentError(LocalStackError):
    """A template could not be deployed into the embedded AWS."""

    code = "local_deployment_failed"


class IdentityError(LocalStackError):
    """The local user could not be created or could not sign in."""

    code = "local_identity_failed"


class NotRespondingError(LocalStackError):
    """A deployed part does not answer as it should."""

    code = "local_not_responding"
