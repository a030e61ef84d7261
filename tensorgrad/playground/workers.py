"""Questions answered in processes of their own: so many at a time, so long, with so much memory, and no longer.

Each process is forked from one that has imported everything, so it starts at once, and nothing that one question leaves
behind meets the next. Where there is no fork it is started afresh, which takes seconds.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import anyio
import anyio.to_thread

from tensorgrad.playground.answer import Answer, answer
from tensorgrad.playground.question import Question


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server spends: processes at a time, questions that wait for one, seconds and bytes of each."""

    workers: int = 2
    waiting: int = 8
    seconds: float = 15.0
    memory: int = 2 << 30

    @property
    def search(self) -> float:
        """Seconds for the search alone: the rest is for drawing, verifying and writing the program."""
        return self.seconds / 4


class BusyError(Exception):
    """As many questions wait as may."""


class LateError(Exception):
    """The time for a question ran out."""


class EndedError(Exception):
    """A process ended without an answer: a bug, or the machine's memory ran out."""


class Workers:
    """Asks questions in processes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload(["tensorgrad.playground.warm"])
        self._slots = anyio.CapacityLimiter(limits.workers)
        self._inside = 0

    async def ask(self, question: Question) -> Answer:
        """The answer, when a process is free. Raises BusyError, LateError, EndedError."""
        if self._inside >= self.limits.workers + self.limits.waiting:
            raise BusyError
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(self._run, question, limiter=self._slots)
        finally:
            self._inside -= 1

    def _run(self, question: Question) -> Answer:
        with tempfile.TemporaryDirectory(prefix="tensorgrad-playground-") as folder:
            return self._run_in(question, folder)

    def _run_in(self, question: Question, folder: str) -> Answer:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(question, self.limits, folder, sender), daemon=True)
        process.start()
        sender.close()
        try:
            if not receiver.poll(self.limits.seconds):
                raise LateError
            found: Answer = receiver.recv()
        except EOFError:
            process.join(1)
            raise EndedError(f"the process of {question} ended with {process.exitcode}") from None
        finally:
            process.kill()
            process.join()
            receiver.close()
        return found


def _work(question: Question, limits: Limits, folder: str, sender: Connection) -> None:
    """Answer in this process, which may be killed at any time: its files go where they are removed for it."""
    tempfile.tempdir = folder
    _bound_memory(limits.memory)
    try:
        found = answer(question, limits.search)
    except MemoryError:
        found = Answer("error", f"this needs more than the {limits.memory >> 20:,} MB that this page gives a question")
    except RecursionError:
        found = Answer("error", "this is nested too deeply for this page")
    sender.send(found)


def _bound_memory(most: int) -> None:
    """Bound what this process may allocate, where the system can."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
