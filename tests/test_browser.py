"""The playground in a real browser: Debian's chromium, driven by playwright; `tensorgrad playground` serves it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from shutil import which
from typing import Any

import pytest

from tensorgrad.playground import EXAMPLES, Question

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: the playground is not opened in a browser"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: no browser is driven")

SCRIPT = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address that the command prints; Ctrl+C ends it without a word."""
    command = [sys.executable, "-m", "tensorgrad", "playground", "--port", "0", "--seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        line = running.stdout.readline()
        yield re.findall(r"http://127\.0\.0\.1:\d+/", line)[0]
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
        assert "Traceback" not in running.stderr.read()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page; what its console says, and what the policy of the page forbids, is in `page.said`."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    found = context.new_page()
    found.set_default_timeout(90_000)
    found.said = []
    found.on("console", lambda message: found.said.append(message.text))
    found.on("pageerror", lambda error: found.said.append(str(error)))
    found.on("dialog", lambda dialog: found.said.append(f"dialog: {dialog.message}"))
    yield found
    context.close()


def test_a_question_is_typed_and_answered(address: str, page: Any) -> None:
    page.goto(address)
    page.fill("#e", "grad(norm2(X @ W - Y), W)")
    page.fill("#let", "X : b x ; W : x y ; Y : b y")
    page.fill("#dims", "b=128, x=784, y=10")
    page.press("#e", "Control+Enter")
    page.wait_for_selector("#result")
    assert page.inner_text("#result") == "2 * X.T @ (X @ W - Y)"
    assert "def step(X, W, Y):" in page.inner_text("#program")
    assert page.locator("svg").count() == 4
    asked = EXAMPLES["gradient of a squared norm"]
    assert page.url == f"{address}?{asked.query}"  # what was left empty is not in the address
    assert page.input_value("#dims") == asked.dims
    shown = page.locator("svg").first.bounding_box()
    assert shown["width"] > 300 and shown["height"] > 80
    assert page.said == []


def test_an_address_is_shared_and_an_example_clicked(address: str, page: Any) -> None:
    page.goto(f"{address}?{EXAMPLES['a proof'].query}")
    assert page.inner_text("#status") == "Proved" and page.input_value("#if") == "invertible(A)"
    page.click("text=not a theorem")
    page.wait_for_selector("text=Refuted")
    assert page.input_value("#e") == "det(A + B) = det(A) + det(B)"
    page.go_back()
    page.wait_for_selector("text=Proved")
    assert page.input_value("#e") == "det(A @ B @ inv(A)) = det(B)" and page.said == []


def test_an_error_shows_the_place(address: str, page: Any) -> None:
    page.goto(address)
    page.fill("#e", "A @ y")
    page.fill("#let", "A : n m")
    page.click("#go")
    page.wait_for_selector(".error")
    assert "unknown name y" in page.inner_text(".error") and "^" in page.inner_text(".error")
    assert page.input_value("#e") == "A @ y"


@pytest.mark.parametrize("field", ["e", "let", "if", "dims"])
def test_an_injection_is_shown_and_does_nothing(address: str, page: Any, field: str) -> None:
    page.goto(address)
    page.fill("#e", "A")
    page.fill("#let", "A : n n")
    page.fill(f"#{field}", SCRIPT)
    page.click("#go")
    page.wait_for_selector(".error")
    assert page.input_value(f"#{field}") == SCRIPT
    assert "broken" not in page.title().replace(SCRIPT, "")
    assert page.locator("img").count() == 0 and page.locator("script").count() == 1
    assert not [said for said in page.said if "422" not in said]


def test_no_script_runs_that_is_not_the_pages_own(address: str, page: Any) -> None:
    page.goto(address)
    page.evaluate("document.body.innerHTML += `<img src=x onerror=\"document.title = 'broken'\">`")
    page.wait_for_timeout(500)
    assert page.title() != "broken" and any("Content Security Policy" in said for said in page.said)


def test_two_at_once(address: str, browser: Any) -> None:
    questions = [Question("A @ inv(A)", "A : n n", "invertible(A)"), Question("grad(x @ y, y)", "x y : k")]
    pages = [browser.new_page() for _ in questions]
    for page, question in zip(pages, questions, strict=True):
        page.set_default_timeout(90_000)
        page.goto(address)
        page.fill("#e", question.expression)
        page.fill("#let", question.let)
        page.fill("#if", question.facts)
    for page in pages:
        page.click("#go", no_wait_after=True)
    for page, found in zip(pages, ["I[n]", "x"], strict=True):
        page.wait_for_selector("#result")
        assert page.inner_text("#result") == found
        page.close()


@pytest.mark.parametrize("width", [1200, 420])
def test_the_page_is_no_wider_than_the_window(address: str, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("attention", "not a theorem", "Hessian of the cross entropy"):
        page.goto(f"{address}?{EXAMPLES[name].query}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
