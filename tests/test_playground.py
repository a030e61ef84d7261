"""The playground: questions and answers, and the page that a server on loopback gives; nothing typed is evaluated."""

from __future__ import annotations

import http.client
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl

import anyio
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tensorgrad.cli import main
from tensorgrad.playground import EXAMPLES, Question
from tensorgrad.playground.answer import answer
from tensorgrad.playground.question import LONGEST

pytest.importorskip("starlette", reason="no starlette here: the extra `playground` is not tested")
pytest.importorskip("uvicorn", reason="no uvicorn here: the extra `playground` is not tested")

from tensorgrad.playground.server import HEADERS, server
from tensorgrad.playground.workers import EndedError, LateError, Limits, Workers

GRADIENT = EXAMPLES["gradient of a squared norm"]
SCRIPT = "<script>document.title='broken'</script>\"'><img src=x onerror=alert(1)>"


@contextmanager
def served(limits: Limits) -> Iterator[tuple[str, int]]:
    """A server in a thread, on a free port of loopback."""
    serving, listening = server("127.0.0.1", 0, limits)
    thread = Thread(target=serving.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        serving.should_exit = True
        thread.join()


def get(address: tuple[str, int], path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(*address, timeout=120)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with served(Limits(seconds=60)) as found:
        yield found


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


# ---- questions and answers


@given(st.fixed_dictionaries(dict.fromkeys(LONGEST, st.text(max_size=30))))
def test_the_address_is_the_question(fields: dict[str, str]) -> None:
    question = Question.of(fields)
    assert Question.of(dict(parse_qsl(question.query))) == question


@pytest.mark.parametrize("question", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_examples_are_answered(question: Question) -> None:
    found = answer(question, 5.0)
    assert found.status == {"a proof": "proved", "not a theorem": "refuted"}.get(
        next(name for name, q in EXAMPLES.items() if q is question), "simplified"
    )
    assert found.given is not None and found.found is not None
    assert found.given.svg.startswith("<svg") and found.found.svg.startswith("<svg")
    if found.status == "simplified":
        assert "def step(" in found.program and ("verified", "on random values") in found.summary
        assert [label for label, _ in found.summary][:2] == ["before", "after"]
    if found.status == "refuted":
        assert "left side" in found.message and "right side" in found.message


def test_what_it_says_of_bad_input() -> None:
    says = {
        Question("A @ y", "A : n m"): "unknown name y",
        Question("A @ x", "A : n n ; x : n", dims="n=0"): "sizes start at 1",
        Question("A", "A : n", dims="m=3"): "m is no size of the expression",
        Question("A + " * 600 + "A", "A : n"): "the expression: 2,401 characters; this page takes 2,000",
        Question(let="A : n"): "no expression",
        Question("A = B", "A : n ; B : n n"): "different orders",
        Question("A", "A : n", "wonderful(A)"): "wonderful",
    }
    for question, said in says.items():
        found = answer(question, 1.0)
        assert found.status == "error" and said in found.message, found


@pytest.mark.parametrize(
    "code",
    [
        "__import__('os').mkdir('{0}')",
        "open('{0}', 'w')",
        '[exec(\'open("{0}", "w")\') for _ in (1,)]',
        "(lambda: open('{0}', 'w'))()",
        "A.__class__.__init__.__globals__",
        'einsum("{0}", A)',
    ],
)
def test_python_is_never_evaluated(code: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    text = code.format(made)
    for question in (
        Question(text, "A : n n"),
        Question("A", text),
        Question("A", "A : n n", text),
        Question("A", "A : n n", dims=text),
    ):
        assert answer(question, 1.0).status == "error"
    assert not made.exists()


def test_what_a_program_cannot_say_is_said() -> None:
    found = answer(Question("E[x](f(x))", "x : n ; f : function"), 1.0)
    assert found.status == "simplified" and not found.program and found.program_note


# ---- the page


def test_the_page_answers(address: tuple[str, int]) -> None:
    status, headers, page = get(address, f"/?{GRADIENT.query}")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    words = "\n".join(Tags(page).words)
    for said in ("2 * X.T @ (X @ W - Y)", "flops, peak", "differentiate", "def step(X, W, Y):", "on random values"):
        assert said in words
    assert page.count("<svg") == 4
    assert any(tag == "input" and a.get("value") == "b=128, x=784, y=10" for tag, a in Tags(page).tags)


def test_without_a_question_there_is_a_form(address: tuple[str, int]) -> None:
    status, _, page = get(address, "/")
    found = Tags(page)
    assert status == 200
    links = [a["href"] for tag, a in found.tags if tag == "a" and (a["href"] or "").startswith("/?")]
    asked = [Question.of(dict(parse_qsl((link or "").removeprefix("/?")))) for link in links]
    assert asked == list(EXAMPLES.values())


@pytest.mark.parametrize("field", LONGEST)
def test_what_is_typed_is_escaped(address: tuple[str, int], field: str) -> None:
    question = Question.of({"e": "A", "let": "A : n n", field: SCRIPT})
    status, _, page = get(address, f"/?{question.query}")
    assert status == 422 and SCRIPT not in page and "<img" not in page
    found = Tags(page)
    assert [a for tag, a in found.tags if tag == "script"] == [{"src": "/script.js", "defer": None}]
    assert not [a for _, a in found.tags if any(name.startswith("on") for name in a)]
    typed = [a.get("value") for tag, a in found.tags if tag == "input"] + found.words
    assert SCRIPT in typed


def test_names_are_escaped_in_pictures(address: tuple[str, int]) -> None:
    question = Question('einsum("</svg><script>1</script>", A)', "A : n n")
    _, _, page = get(address, f"/?{question.query}")
    assert [a.get("src") for tag, a in Tags(page).tags if tag == "script"] == ["/script.js"]


@pytest.mark.parametrize("path", ["/", "/style.css", "/script.js", "/icon.svg", "/absent", "/../server.py"])
def test_every_response_is_bound_to_itself(address: tuple[str, int], path: str) -> None:
    status, headers, _ = get(address, path)
    assert status == (404 if path in ("/absent", "/../server.py") else 200)
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "default-src 'none'" in headers["content-security-policy"] and "unsafe" not in str(headers)


def test_the_page_needs_nothing_from_elsewhere(address: tuple[str, int]) -> None:
    _, _, page = get(address, f"/?{GRADIENT.query}")
    found = Tags(page)
    linked = [a[name] or "" for _, a in found.tags for name in ("src", "href", "action") if name in a]
    assert linked and all(link.startswith("/") for link in linked)
    assert not [a for _, a in found.tags if "style" in a]  # the policy would not let it apply


def test_foreign_names_and_embedding_pages_are_refused(address: tuple[str, int]) -> None:
    assert get(address, "/", host="evil.example")[0] == 400
    assert get(address, "/", host=f"localhost:{address[1]}")[0] == 200
    assert get(address, f"/?{GRADIENT.query}", sec_fetch_dest="image")[0] == 403
    assert get(address, "/", method="POST")[0] == 405


def test_two_at_once_get_their_own_answers(address: tuple[str, int]) -> None:
    asked = [Question("A @ inv(A)", "A : n n", "invertible(A)"), Question("grad(x @ y, y)", "x y : k")]
    with ThreadPoolExecutor(2) as threads:
        (_, _, first), (_, _, second) = threads.map(lambda q: get(address, f"/?{q.query}"), asked)
    assert '<pre class="result" id="result">I[n]</pre>' in first
    assert '<pre class="result" id="result">x</pre>' in second


# ---- limits


def test_a_question_that_takes_too_long_is_ended() -> None:
    with served(Limits(seconds=0.05)) as address:
        status, _, page = get(address, f"/?{GRADIENT.query}")
    assert status == 504 and "no answer after 0.05 seconds" in page
    assert not multiprocessing.active_children()


def test_too_many_questions_are_refused() -> None:
    with served(Limits(workers=1, waiting=1, seconds=60)) as address, ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(get, address, f"/?{GRADIENT.query}") for _ in range(6)]
        found = sorted(request.result()[0] for request in asked)
    assert found[0] == 200 and found[-1] == 503 and set(found) == {200, 503}


def test_memory_is_bounded() -> None:
    """So little that not even the libraries can be loaded: an answer that says so, or the process ends; never a result."""
    try:
        found = anyio.run(Workers(Limits(memory=32 << 20, seconds=60)).ask, GRADIENT)
    except EndedError as ended:
        assert "ended with" in str(ended)
    else:
        assert found.status == "error" and "32 MB" in found.message


def test_a_process_that_dies_is_an_internal_error() -> None:
    workers = Workers(Limits(seconds=60))
    with pytest.raises(EndedError, match="ended with"):
        anyio.run(workers.ask, _Deadly())  # type: ignore[arg-type]


class _Deadly:
    """A question that ends the process that reads it."""

    def __reduce__(self) -> tuple[object, ...]:
        return time.sleep, ("not a number",)


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for seconds in (0.05, 60):
        try:
            anyio.run(Workers(Limits(seconds=seconds)).ask, GRADIENT)
        except LateError:
            assert seconds < 1
    assert not [p for p in tmp_path.iterdir() if "playground" in p.name]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.startswith(("starlette", "tensorgrad.playground.server"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "starlette", None)
    done = CliRunner().invoke(main, ["playground"])
    assert done.exit_code == 2 and "pip install 'tensorgrad[playground]'" in done.stderr
