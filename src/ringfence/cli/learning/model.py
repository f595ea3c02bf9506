"""`ringfence model`: one model as a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.models import load_local_model, read_model
from ringfence.errors import InputError

app = typer.Typer(no_args_is_help=True, help="One model as a service, in a container or on its own.")

CONTAINER_FOLDER = Path("/opt/ml/model")  # where SageMaker unpacks an artifact


@app.callback()
def model() -> None:
    """One model as a service, in a container or on its own."""


@app.command()
def serve(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help=f"Folder that `ringfence train` wrote. [default: {CONTAINER_FOLDER}]",
            envvar="RINGFENCE_MODEL",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on.", envvar="RINGFENCE_MODEL_HOST")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port; 0 chooses a free one.", envvar="SAGEMAKER_BIND_TO_PORT")
    ] = 8080,
    threshold: Annotated[
        float, typer.Option(help="Probability from which a payment is flagged.", envvar="THRESHOLD")
    ] = 0.5,
    key: Annotated[
        str | None,
        typer.Option(help="Callers must send this key.", envvar="RINGFENCE_MODEL_KEY", metavar="KEY"),
    ] = None,
    without_key: Annotated[
        bool,
        typer.Option(
            "--without-key",
            help="Serve without keys: something in front of it, such as SageMaker, controls access.",
            envvar="RINGFENCE_MODEL_OPEN",
        ),
    ] = False,
) -> None:
    """Serve a model's probabilities: GET /ping and POST /invocations. Every answer names the model's version.

    A model that is missing, changed or broken is an error now, and never a made-up score later.

    Example: ringfence model serve fraud-model --port 8080
    """
    from ringfence.api.model_host.service import ModelService, serve_model  # noqa: PLC0415 (as for serve)
    from ringfence.api.serving import is_loopback  # noqa: PLC0415

    if not is_loopback(host) and not key and not without_key:
        raise InputError(
            f"{host} can be reached by others, and nothing says who may ask: set RINGFENCE_MODEL_KEY, or say "
            "--without-key where something in front of it does"
        )
    with options.compiling():
        scorer = load_local_model(read_model(folder or CONTAINER_FOLDER))
    service = ModelService(scorer, threshold, key)
    if not service.takes_payments:
        screen.say("This model has inputs of its own: it takes rows of them, not payments.")
    serve_model(
        service,
        host,
        port,
        lambda url: screen.say(f"Model {scorer.digest} answers at {url}/invocations (Ctrl-C ends it)."),
    )
