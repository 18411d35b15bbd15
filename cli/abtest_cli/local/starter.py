"""One start of the local stack: what can run side by side does, and whatever goes wrong, nothing is left behind.

Depends on: every other module of the package. Used by: `stack`.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abtest_cli.local import (
    assembly,
    deployment,
    identity,
    llm,
    machine,
    ministack,
    processes,
    registration,
    state,
    synthesis,
    warm,
)
from abtest_cli.local.clients import Clients
from abtest_cli.local.errors import DeploymentError, EmulatorError
from abtest_cli.local.interrupts import uninterrupted
from abtest_cli.local.options import HomePaths, LocalOptions, Report
from abtest_cli.local.probes import tail
from abtest_cli.local.state import LocalState, ProcessRecord
from abtest_cli.local.teardown import stop_processes, tear_down

REQUIRED_OUTPUTS = frozenset({"ApiId", "StateMachineArn", "UserPoolId", "UserPoolClientId", "FunctionNames"})


def api_url(port: int, api_id: str) -> str:
    """Return the base of the deployed API, without `/v1`."""
    return f"{ministack.endpoint_url(port)}/_aws/execute-api/{api_id}/$default"


class Starter:
    """Starts, or brings up to date, one local stack.

    Args:
        options: what is asked for; the home's lock is held.
        report: told of every phase.
        running: the state of a stack that runs already and is to be deployed again; None to start one.
    """

    def __init__(self, options: LocalOptions, report: Report, running: LocalState | None = None) -> None:
        self.options = options
        self.instance = running.instance if running else uuid.uuid4().hex[:12]
        self.timings: dict[str, float] = {}
        self._report = report
        self._reporting = threading.Lock()
        self._cancelled = threading.Event()
        self._paths = HomePaths(options.home)
        self._mark = processes.Mark(options.home, self.instance, self._paths.temporary(self.instance))
        self._records: dict[str, ProcessRecord] = {r.role: r for r in running.processes} if running else {}
        self._running = running
        self._clients = Clients(ministack.endpoint_url(options.port))
        self._llm_port = running.llm_port if running else None

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        with self._reporting:
            self._report(name, None)
        began = time.monotonic()
        yield
        spent = time.monotonic() - began
        with self._reporting:
            self.timings[name] = round(spent, 2)
            self._report(name, spent)

    def start(self) -> LocalState:
        """Start everything; on any failure, Ctrl-C included, stop and remove everything again.

        Raises:
            LocalStackError: what went wrong and what to do.
        """
        began = time.monotonic()
        machine.require_disk(self.options.home)
        processes.require_free_port(self.options.port, "the embedded AWS", "--port")
        if self.options.llm:
            llm.model_file()
            llm.require_server()
            if self.options.llm_port:
                processes.require_free_port(self.options.llm_port, "the local LLM", "--llm-port")
            self._llm_port = self.options.llm_port or llm.free_port()
        self._mark.temporary.mkdir(parents=True, mode=0o700)
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="start") as pool:
            try:
                return self._start(pool, began)
            except BaseException as error:
                told = self._explained(error)
                self._give_up(pool)
                if told is error:
                    raise
                raise told from error

    def redeploy(self) -> LocalState:
        """Deploy changed sources into the running stack; its data, its user and its LLM stay.

        Raises:
            LocalStackError: what went wrong; the stack runs on, with what was deployed before.
        """
        assert self._running is not None
        began = time.monotonic()
        machine.require_disk(self.options.home)
        # Should this fail half-way, the next `up` must not take the old fingerprint for the truth.
        state.save(self.options.home, _replaced(self._running, fingerprint=""))
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="redeploy") as pool:
            try:
                folder, sources = self._synthesise()
                outputs, later = self._deploy(pool, folder)
                with self._phase("workers"):
                    warm.warm(self._clients, json.loads(outputs["FunctionNames"]))
                outputs |= later.result()
            except BaseException as error:
                self._cancelled.set()
                told = self._explained(error)
                if told is error:
                    raise
                raise told from error
        self.timings["total"] = round(time.monotonic() - began, 2)
        return self._saved(outputs, sources)

    def _start(self, pool: ThreadPoolExecutor, began: float) -> LocalState:
        emulator = pool.submit(self._start_emulator)
        templates = pool.submit(self._synthesise)
        model = pool.submit(self._start_llm) if self.options.llm else None
        pool.submit(self._clients.preload)
        _results(emulator, templates)
        folder, sources = templates.result()
        if model is not None and model.done():
            model.result()
        outputs, later = self._deploy(pool, folder)
        workers = pool.submit(self._warm, json.loads(outputs["FunctionNames"]))
        self._make_usable(outputs)
        _results(workers, later, *([model] if model else []))
        outputs |= later.result()
        self.timings["total"] = round(time.monotonic() - began, 2)
        return self._saved(outputs, sources)

    def _start_emulator(self) -> None:
        with self._phase("embedded AWS"):
            record = ministack.start(self._mark, self.options.port, self.options.auth)
            self._records[ministack.ROLE] = record
            ministack.wait(record, self.options.home, self.options.port, self._cancelled)

    def _start_llm(self) -> None:
        assert self._llm_port is not None
        with self._phase("LLM"):
            record = llm.start(self._mark, self._llm_port)
            self._records[llm.ROLE] = record
            llm.wait(record, self.options.home, self._llm_port, self._cancelled)

    def _synthesise(self) -> tuple[Path, str]:
        with self._phase("synthesis"):
            folder, sources, _ = synthesis.synthesise(self._mark, self.options.repository, self._cancelled)
        return folder, sources

    def _deploy(self, pool: ThreadPoolExecutor, folder: Path) -> tuple[dict[str, str], Future[dict[str, str]]]:
        # Stacks that nothing else waits for (alarms, dashboards) are deployed while the workers start.
        application = assembly.read(folder)
        with self._phase("assets"):
            deployment.publish(self._clients, application)
        outputs: dict[str, str] = {}
        waiting = list(application.stacks)
        while waiting and not outputs.keys() >= REQUIRED_OUTPUTS:
            stack = waiting.pop(0)
            with self._phase(f"stack {stack.name}"):
                outputs |= deployment.deploy(self._clients, stack)
        missing = sorted(REQUIRED_OUTPUTS - outputs.keys())
        if missing:
            names = ", ".join(stack.name for stack in application.stacks) or "no stack at all"
            raise DeploymentError(
                f"The deployed stacks ({names}) lack the outputs {', '.join(missing)}. Add them as CfnOutput in infra/."
            )
        return outputs, pool.submit(self._deploy_rest, waiting)

    def _deploy_rest(self, stacks: list[assembly.Stack]) -> dict[str, str]:
        outputs: dict[str, str] = {}
        for stack in stacks:
            with self._phase(f"stack {stack.name}"):
                outputs |= deployment.deploy(self._clients, stack)
        return outputs

    def _warm(self, functions: dict[str, str]) -> None:
        with self._phase("workers"):
            warm.warm(self._clients, functions)

    def _make_usable(self, outputs: dict[str, str]) -> None:
        url = api_url(self.options.port, outputs["ApiId"])
        endpoint = ministack.endpoint_url(self.options.port)
        password = identity.new_password()
        with self._phase("user"):
            identity.ensure_user(self._clients, outputs["UserPoolId"], password)
            tokens = identity.sign_in(endpoint, outputs["UserPoolClientId"], identity.USERNAME, password)
        state.write_private(self._paths.credentials, {"username": identity.USERNAME, "password": password})
        with self._phase("API"):
            warm.warm_api(url)
            if self._llm_port is not None:
                registration.register(url, tokens.access_token, llm.base_url(self._llm_port))

    def _saved(self, outputs: dict[str, str], sources: str) -> LocalState:
        result = LocalState(
            instance=self.instance,
            port=self.options.port,
            llm_port=self._llm_port,
            auth=self.options.auth,
            repository=str(self.options.repository),
            fingerprint=sources,
            processes=tuple(self._records.values()),
            api_url=api_url(self.options.port, outputs["ApiId"]),
            outputs=outputs,
            username=identity.USERNAME,
            credentials_path=str(self._paths.credentials),
            timings=self.timings,
        )
        state.save(self.options.home, result)
        return result

    def _explained(self, error: BaseException) -> BaseException:
        if not isinstance(error, Exception):
            return error
        full = machine.disk_full(self.options.home, error)
        if full is not None:
            return full
        record = self._records.get(ministack.ROLE)
        if record is not None and record.process() is None and not isinstance(error, EmulatorError):
            log = ministack.log_path(self.options.home)
            return EmulatorError(
                f"The embedded AWS (process {record.pid}) ended while it was being set up; perhaps somebody ended it, "
                f"or memory ran out. Its last lines, from {log}:\n{tail(log)}\nRun `abtest up` again."
            )
        return error

    def _give_up(self, pool: ThreadPoolExecutor) -> None:
        self._cancelled.set()
        with uninterrupted():
            # First the processes, so that threads that wait for them come to an end; then what those threads may
            # have started meanwhile.
            stop_processes(self.options.home, self.instance)
            pool.shutdown(wait=True, cancel_futures=True)
            tear_down(self.options.home, self.instance)


def _replaced(old: LocalState, *, fingerprint: str) -> LocalState:
    return LocalState(**{**vars(old), "fingerprint": fingerprint})


def _results(*futures: Future[Any]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
