"""Measured times: our programs beside those of other libraries, the values compared first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorgrad.api.bench import benchmark_file, read_tables
from tensorgrad.api.simplify import simplify_all
from tensorgrad.errors import UnsupportedError
from tensorgrad.runtime import Step
from tensorgrad.runtime.rivals import RIVALS, on_device, rival
from tensorgrad.runtime.stopwatch import machine, seconds
from tensorgrad.runtime.workload import Task, difference, normal_values

__all__ = ["RIVALS", "Run", "Timed", "TimedCase", "machine", "makers", "measure_time", "timed_cases"]

OURS = "ours"
TOLERANCE = 1e-3
"""Largest relative difference, in float32, from the value as written in float64."""

Maker = Callable[[Task, Mapping[str, Any]], Callable[[], Sequence[Any]]]
"""Makes the program of a rival for values."""


@dataclass(frozen=True, slots=True)
class TimedCase:
    """An expression to run at its sizes, with values scaled; `gradients` are computed beside it."""

    id: str
    expr: str
    dims: Mapping[str, int]
    let: str = ""
    family: str = ""
    note: str = ""
    gradients: Sequence[str] = ()
    scale: float = 1.0

    def task(self, dims: Mapping[str, int] | None = None) -> Task:
        """What programs compute, at these sizes or its own."""
        return Task(self.expr, self.let, self.dims if dims is None else dims, tuple(self.gradients))


@dataclass(frozen=True, slots=True)
class Run:
    """A program: its median seconds and how far its value is from the reference; or `missing`, why there are none."""

    program: str
    seconds: float | None = None
    difference: float | None = None
    missing: str = ""

    @property
    def agrees(self) -> bool:
        """Whether its value is right, as far as it has one."""
        return self.difference is None or self.difference <= TOLERANCE


@dataclass(frozen=True, slots=True)
class Timed:
    """A case with its runs, ours first; `search` is the seconds of finding our form, `device` where it ran."""

    case: TimedCase
    runs: tuple[Run, ...]
    search: float
    device: str

    @property
    def ours(self) -> Run:
        return self.runs[0]

    @property
    def disagreements(self) -> tuple[Run, ...]:
        """The runs whose values are wrong."""
        return tuple(run for run in self.runs if not run.agrees)

    def ratio(self, run: Run) -> float | None:
        """How many times as long as ours a run takes; below 1 is our loss."""
        return run.seconds / self.ours.seconds if run.seconds and self.ours.seconds else None

    @property
    def best(self) -> float | None:
        """The ratio of the fastest rival."""
        ratios = [r for r in map(self.ratio, self.runs[1:]) if r is not None]
        return min(ratios) if ratios else None


def timed_cases(file: Path | None = None) -> list[TimedCase]:
    """The expressions of a file, by default `timed.toml`: a table [[case]] for each.

    >>> timed_cases()[0].id
    'la-common-subexpression'
    """
    return read_tables(file or benchmark_file("timed.toml"), "case", TimedCase)


def makers(backend: str = "inductor") -> dict[str, Maker]:
    """The rivals by name; `backend` is that of torch.compile."""

    def maker(name: str) -> Maker:
        return lambda task, values: rival(name, task, values, backend)

    return {name: maker(name) for name in RIVALS}


def measure_time(
    case: TimedCase,
    device: str = "cpu",
    dims: Mapping[str, int] | None = None,
    rivals: Mapping[str, Maker] | None = None,
) -> Timed:
    """Run a case and its rivals side by side.

    All programs are warm, take turns, and get the same values; times are medians. Values are compared first, with the
    expression as written in float64: a program whose value differs has no time.

    Args: case; device, of torch; dims, instead of those of the case; rivals, instead of `makers()`.
    Raises InputError where there is no such device.

    >>> from tensorgrad.api.timing import makers
    >>> found = measure_time(timed_cases()[0], dims={"n": 3}, rivals={"torch": makers()["torch"]})
    >>> [run.program for run in found.runs], found.disagreements
    (['ours', 'torch'], ())
    """
    settle = on_device(device)
    task = case.task(dims)
    values = normal_values(case.let, task.dims, device, case.scale)
    found = simplify_all(task.outputs, let=case.let, dims=task.dims)
    step = Step({f"y{k}": result.tensor for k, result in enumerate(found)}, task.dims)
    given = {v.name: values[v.name] for v in step.variables}
    programs: dict[str, Callable[[], Sequence[Any]]] = {OURS: lambda: tuple(step(**given))}
    missing: dict[str, str] = {}
    for name, make in (makers() if rivals is None else rivals).items():
        made = _made(name, make, task, values)
        if isinstance(made, str):
            missing[name] = made
        else:
            programs[name] = made
    exact = {name: value.double() for name, value in values.items()}
    reference = rival("torch", task, exact)()
    differences = {name: difference(program(), reference) for name, program in programs.items()}
    right = {name: program for name, program in programs.items() if differences[name] <= TOLERANCE}
    times = seconds(right, settle)
    runs = [
        Run(name, times.get(name), differences.get(name), missing.get(name, ""))
        for name in (OURS, *(makers() if rivals is None else rivals))
    ]
    return Timed(case, tuple(runs), sum(result.seconds for result in found), device)


def _made(name: str, make: Maker, task: Task, values: Mapping[str, Any]) -> Callable[[], Sequence[Any]] | str:
    """The program of a rival, or why there is none."""
    if name == "autograd" and not task.differentiates:
        return "no derivative"
    try:
        program = make(task, values)
        program()  # compiles; a library may say only now what it cannot do
    except ModuleNotFoundError as absent:
        return f"{absent.name} is not installed"
    except (UnsupportedError, RuntimeError) as error:
        return f"failed: {str(error).splitlines()[0]}"
    return program
