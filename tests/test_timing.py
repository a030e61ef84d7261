"""Timed cases: every program agrees with the expression as written, what is wrong or absent is said. No test asserts a time."""

from __future__ import annotations

import builtins
import importlib
import json
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import tensorgrad as tg
from tensorgrad.api import timed_cases
from tensorgrad.api.timing import OURS, RIVALS, TOLERANCE, Run, Timed, TimedCase, makers, measure_time
from tensorgrad.cli import main
from tensorgrad.runtime.rivals import rival
from tensorgrad.runtime.stopwatch import seconds
from tensorgrad.runtime.workload import Task, difference, normal_values
from tensorgrad.show import save_ratios

# torch warns of its own use of torch.jit.script when it records a derivative.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

CASES = {case.id: case for case in timed_cases()}
FAMILIES = (
    "linear algebra awareness",
    "sums of products",
    "calculus",
    "decompositions",
    "Kronecker",
    "coupled cluster",
    "low rank",
    "expectations",
    "machine-learning steps",
)


def small(case: TimedCase) -> dict[str, int]:
    """Small, pairwise different sizes in the order of the case's own."""
    return {name: 3 + rank for rank, (name, _) in enumerate(sorted(case.dims.items(), key=lambda item: item[1]))}


def shrunk(case: TimedCase) -> TimedCase:
    return TimedCase(case.id, case.expr, small(case), case.let, case.family, case.note, case.gradients, case.scale)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", "--time", *arguments])


@pytest.fixture
def small_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases at small sizes, torch.compile without generated code."""
    monkeypatch.setattr("tensorgrad.api.timed_cases", lambda _: [shrunk(case) for case in CASES.values()])
    monkeypatch.setattr("tensorgrad.api.timing.makers", lambda: makers("eager"))


def test_the_cases_are_complete() -> None:
    assert len(CASES) == len(timed_cases())
    assert tuple(dict.fromkeys(case.family for case in CASES.values())) == FAMILIES


@pytest.mark.parametrize("name", CASES)
def test_every_program_agrees(name: str) -> None:
    case = CASES[name]
    found = measure_time(case, dims=small(case), rivals=makers("eager"))
    assert [r.program for r in found.runs] == [OURS, *RIVALS]
    assert not found.disagreements
    for r in found.runs:
        ran = r.seconds is not None and r.difference is not None and r.difference <= TOLERANCE
        assert ran != bool(r.missing), r
        expected = r.program == "autograd" and not case.task().differentiates
        assert ran or expected or r.missing.endswith("is not installed"), r


@pytest.mark.parametrize("name", CASES)
def test_the_text_means_what_the_notation_means(name: str) -> None:
    """The reference, as written in float64, against our dense evaluation; derivatives against those we expand."""
    case = CASES[name]
    task = case.task(small(case))
    values = normal_values(case.let, task.dims, scale=case.scale, dtype=torch.float64)
    wanted = [
        tg.numeric.evaluate(tg.expand(tg.parse(text, case.let)), {k: v.numpy() for k, v in values.items()}, task.dims)
        for text in task.outputs
    ]
    assert difference(rival("torch", task, values)(), wanted) < 1e-8


@pytest.mark.parametrize("wrong", ["value", "shape", "number of outputs", "NaN"])
def test_a_wrong_rival_is_reported(wrong: str) -> None:
    def make(task: Task, values: Mapping[str, Any]) -> Any:
        right = rival("torch", task, values)

        def program() -> Sequence[Any]:
            (value,) = right()
            changed = {"value": value * 1.01, "shape": value[:-1], "NaN": value * float("nan")}
            return [value, value] if wrong == "number of outputs" else [changed[wrong]]

        return program

    case = CASES["la-distribute"]
    found = measure_time(case, dims=small(case), rivals={"torch": makers()["torch"], "wrong": make})
    assert [r.program for r in found.disagreements] == ["wrong"]
    (bad,) = found.disagreements
    assert bad.seconds is None and bad.difference is not None and bad.difference > TOLERANCE
    assert found.runs[1].seconds is not None


def test_our_own_wrong_value_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["la-factor"]
    wrong = [tg.simplify("A @ B - A @ C", let=case.let)]
    monkeypatch.setattr("tensorgrad.api.timing.simplify_all", lambda *_, **__: wrong)
    found = measure_time(case, dims={"n": 4}, rivals={"torch": makers()["torch"]})
    assert found.disagreements == (found.ours,) and found.best is None


def test_a_disagreement_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_cases: None) -> None:
    def wrong() -> dict[str, Any]:
        return {**makers("eager"), "torch": lambda task, values: lambda: [torch.zeros(3)]}

    monkeypatch.setattr("tensorgrad.api.timing.makers", wrong)
    path = tmp_path / "times.json"
    done = run("--only", "la-chain", "--json", str(path))
    assert done.exit_code == 1
    assert "WRONG" in done.stdout and "0 of 1 agree" in done.stdout
    assert "la-chain: torch differs by" in done.stderr
    assert json.loads(path.read_text())["cases"][0]["agree"] is False


@pytest.mark.parametrize(
    ("package", "program"), [("cotengra", "cotengra"), ("jax", "JAX"), ("opt_einsum", "opt_einsum")]
)
def test_an_absent_package_is_said(
    package: str, program: str, monkeypatch: pytest.MonkeyPatch, small_cases: None
) -> None:
    def absent(name: str) -> Any:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return builtins.__import__(name)

    for module in ("rivals", "libraries"):
        monkeypatch.setattr(f"tensorgrad.runtime.{module}.import_module", absent)
    done = run("--only", "la-chain")
    assert done.exit_code == 0, done.output
    assert f"no time of {program}: {package} is not installed (la-chain)" in done.stdout


def test_a_rival_that_fails_is_said() -> None:
    def make(task: Task, values: Mapping[str, Any]) -> Any:
        raise RuntimeError("out of memory\nmore")

    found = measure_time(CASES["la-chain"], dims={"n": 3}, rivals={"broken": make})
    assert found.runs[1] == Run("broken", missing="failed: out of memory")


def test_the_table_the_json_and_the_plot(tmp_path: Path, small_cases: None) -> None:
    path, plot = tmp_path / "times.json", tmp_path / "times.svg"
    done = run("--only", "la-chain", "--only", "hess-quadratic", "--json", str(path), "-o", str(plot), "--markdown")
    assert done.exit_code == 0, done.output
    table = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    assert {len(line) for line in table} == {2 + len(RIVALS)} and len(table) == 4
    answers = json.loads(path.read_text())
    assert set(answers) == {"machine", "cases"} and "float32" in answers["machine"]
    assert [case["id"] for case in answers["cases"]] == ["la-chain", "hess-quadratic"]
    for case in answers["cases"]:
        assert set(case) == set("id family let expr gradients dims device search best agree runs note".split())
        assert case["agree"] is True
        assert [r["program"] for r in case["runs"]] == [OURS, *RIVALS]
        for r in case["runs"]:
            assert set(r) == set("program seconds ratio difference agrees missing".split())
            assert (r["seconds"] is None) == bool(r["missing"]) == (r["ratio"] is None)
            assert r["seconds"] is None or r["seconds"] > 0
    texts = [node.text or "" for node in ElementTree.fromstring(plot.read_text()).iter() if node.tag.endswith("text")]
    assert {"la-chain", "hess-quadratic", "torch", "opt_einsum"} <= set(texts)


def timed(**times: float) -> Timed:
    case = TimedCase("case", "family", "x : n", "x", {"n": 2}, "why")
    return Timed(case, tuple(Run(program, t, 0.0) for program, t in times.items()), 0.0, "cpu")


def test_losses_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = timed(ours=2.0, torch=1.0, JAX=3.0)
    monkeypatch.setattr("tensorgrad.api.measure_time", lambda *_: found)
    assert found.best == 0.5
    done = run("--only", "la-chain")
    assert "0.5x loss" in done.stdout and "1.5x loss" not in done.stdout
    assert "ours is fastest in 0 of 1; 1 of 1 agree" in done.stdout
    assert "loss: case, torch 0.5x (why)" in done.stdout
    assert "**0.5x**" in run("--only", "la-chain", "--markdown").stdout


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_equal_plots_are_equal_files(kind: str, tmp_path: Path) -> None:
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    for path in (one, other):
        save_ratios([("a <b>", {"torch": 0.5, "JAX": 20.0}), ("c", {"torch": 2.0})], path, "title")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "no such id; there are la-common-subexpression, "),
        (["--device", "nowhere"], "no device 'nowhere' here"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str) -> None:
    done = run("--only", "la-chain", *arguments) if "--device" in arguments else run(*arguments)
    assert done.exit_code == 2 and message in done.stderr, done.output


def test_options_of_time_want_time() -> None:
    done = CliRunner().invoke(main, ["bench", "--markdown"])
    assert done.exit_code == 2 and "-o and --markdown are of --time: add it" in done.stderr


def test_a_word_that_libraries_lack_is_said() -> None:
    task = Task("E[x](x)", "x : n", {"n": 2})
    with pytest.raises(tg.UnsupportedError, match="in an array library's own words"):
        rival("torch", task, {"x": torch.ones(2)})()


def test_difference() -> None:
    assert difference([np.array([1.0, 2.5])], [np.array([1.0, 2.0])]) == 0.25
    assert difference([torch.zeros(2)], [torch.zeros(2)]) == 0
    assert difference([torch.ones(2)], [torch.ones(2, 1)]) == inf
    assert difference([], [torch.ones(1)]) == inf
    assert difference([torch.tensor([float("nan")])], [torch.ones(1)]) == inf


def test_programs_take_turns() -> None:
    calls: list[str] = []
    programs = {name: lambda name=name: calls.append(name) for name in "abc"}
    assert list(seconds(programs)) == ["a", "b", "c"]
    turns = [calls[k : k + 3] for k in range(0, len(calls), 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert len(turns) >= 7 and len({tuple(turn) for turn in turns}) > 1


@pytest.mark.parametrize(
    ("name", "size", "dims"),
    [
        ("perceptron", 3, {"b": 4, "n": 5}),
        ("transformer", 1, {"s": 3, "d": 4, "h": 2, "e": 5, "f": 6}),
        ("transformer", 2, {"s": 4, "d": 6, "h": 3, "e": 2, "f": 5}),
    ],
)
def test_the_networks_are_those_of_torch(
    name: str, size: int, dims: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    network = getattr(importlib.import_module("networks"), name)(size, dims)
    values = {k: v.double() for k, v in network.values("cpu").items()}
    assert difference(tuple(network.step()(**values)), network.backward(values)) < 1e-8
