"""`tensorgrad playground`: the web page."""

from __future__ import annotations

from contextlib import suppress

import click

from tensorgrad.errors import UnsupportedError


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to serve on; the default is this machine."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Questions answered at a time."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    help="Seconds for one question; after them it is stopped.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
def playground(host: str, port: int, workers: int, seconds: float, opened: bool) -> None:
    """Serve a web page that simplifies, proves, draws, prices and compiles what is typed into it.

    \b
    tensorgrad playground
    tensorgrad playground --port 9000 --open

    The address of the page holds the question, so that it can be shared. Only the notation is read, nothing is ever
    evaluated as Python; every question runs in a process of its own with bounded time and memory. The page is for this
    machine alone unless --host says otherwise. Needs the extra: pip install "tensorgrad[playground]". Ctrl+C ends it.
    """
    try:
        from tensorgrad.playground.server import server
        from tensorgrad.playground.workers import Limits
    except ModuleNotFoundError as missing:
        raise UnsupportedError(f"the playground without {missing.name}: pip install 'tensorgrad[playground]'") from None
    serving, listening = server(host, port, Limits(workers=workers, seconds=seconds))
    named = f"[{host}]" if ":" in host else host
    address = f"http://{named}:{listening.getsockname()[1]}/"
    click.echo(f"tensorgrad playground on {address} (Ctrl+C ends it)")
    if opened:
        click.launch(address)
    with suppress(KeyboardInterrupt):  # how one ends it
        serving.run(sockets=[listening])
