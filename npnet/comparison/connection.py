"""The way to a Dask scheduler: its address, and a client of it that prints nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

from npnet.base.files import printable
from npnet.runs.errors import ConfigError, FailedError

__all__ = ["CONNECT", "LOCAL", "UNREACHED", "check_address", "connected"]

LOCAL = "local"  # the scheduler of a cluster that is started for the comparison alone
CONNECT = 10.0  # seconds to reach the scheduler, at first and when it was lost
UNREACHED = (OSError, asyncio.TimeoutError, CancelledError)  # what Dask raises where nobody answers
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "asyncio")


def check_address(address: str) -> None:
    """Raise ValueError unless it is how a scheduler is called: local, or tcp://host:port."""
    host = r"(\[[0-9a-fA-F:.%]+\]|[^\s/:\[\]]+)"
    found = re.fullmatch(rf"(tcp|tls)://{host}:(?P<port>\d+)", address)
    if address != LOCAL and (found is None or not 0 < int(found["port"]) < 65536):
        raise ValueError(
            "cluster: must be local, or the address of a Dask scheduler, such as "
            f"tcp://192.168.0.5:8786, got {printable(address)!r}"
        )


@contextlib.contextmanager
def connected(address: str, jobs: int, threads: int) -> Iterator[Any]:
    """A client of the scheduler, which with LOCAL is started, with `jobs` workers.

    Args:
        threads: of each of these workers.

    Raises:
        ConfigError: it speaks TLS, and Dask has no certificates.
        FailedError: the scheduler can't be reached.
    """
    import distributed

    if address.startswith("tls://"):
        _check_certificates()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        where: Any = address
        if address == LOCAL:
            # Runs are processes beside the workers, whose memory no nanny counts: its limit, a
            # part of the machine's for each, would only be wrong.
            where = stack.enter_context(
                distributed.LocalCluster(  # type: ignore[no-untyped-call]  # Dask's has no types
                    n_workers=jobs,
                    threads_per_worker=threads,
                    memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    preload=[_HEED_NO_INTERRUPT],
                )
            )
        try:
            client: Any = distributed.Client(  # type: ignore[no-untyped-call]  # Dask's
                where, timeout=CONNECT, set_as_default=False
            )
        except UNREACHED as error:
            raise FailedError(
                f"cluster: {address} can't be reached within {CONNECT:.0f} seconds; start one "
                "there (dask scheduler), or name another"
            ) from error
        stack.callback(_close, client)
        yield client


def _check_certificates() -> None:
    """Raise ConfigError unless Dask's configuration names those of a client."""
    from distributed import Security

    try:
        context = Security().get_connection_args("client")["ssl_context"]  # type: ignore[no-untyped-call]  # Dask's
    except OSError as error:  # ssl's errors are such too
        raise ConfigError(f"cluster: Dask's certificates can't be read: {error}") from error
    if context is None:
        raise ConfigError(
            "cluster: tls:// wants certificates, which Dask's configuration names: "
            "distributed.comm.tls.ca-file, .client.cert and .client.key, in "
            "~/.config/dask/distributed.yaml"
        )


# Ctrl-C at a terminal reaches the workers too; that the runs end is the comparison's business. A
# handler, as what is ignored would be ignored by the runs as well.
_HEED_NO_INTERRUPT = "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n"


def _close(client: Any) -> None:
    with contextlib.suppress(*UNREACHED):
        client.close(timeout=CONNECT)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask print nothing: what happens to the cluster is told here, in words of the runs."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
