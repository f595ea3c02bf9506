"""`ringfence keys`: who may ask a server."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from ringfence.access.keys import ApiKeys
from ringfence.access.restriction import parse_restriction
from ringfence.access.roles import Role, parse_roles
from ringfence.cli.audited import actor
from ringfence.cli.options import Data, Json, folder
from ringfence.cli.screen import say, show, show_json
from ringfence.masking import mask_cards

app = typer.Typer(help="Make, list and revoke the keys of a server.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for your own eyes.")],
    data: Data = None,
    role: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(Role)}; may be given several times.")
    ] = None,
    restrict: Annotated[
        list[str] | None,
        typer.Option(help="queue=NAME, of cases, or field=NAME, which hides it; may be given several times."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Maximum number of records per second; 0 for no limit.")
    ] = 0.0,
    burst: Annotated[float, typer.Option(min=0, help="Maximum burst of records. [default: the rate]")] = 0.0,
    json: Json = False,
) -> None:
    """Create a key and show it once. Only its hash is stored.

    Example: ringfence keys create till-7 --role decide
    """
    roles, restriction = parse_roles(role or ["decide"]), parse_restriction(restrict or ())
    name = mask_cards(name)
    with closing(ApiKeys(folder(data))) as keys:
        key = keys.create(
            name,
            roles,
            time.time_ns() // 1_000_000,
            rate=rate,
            burst=burst,
            restriction=restriction,
            made_by=(actor(),),
        )
    if json:
        show_json({"key": key, "name": name, "roles": sorted(roles)})
    else:
        say("Keep this key: it cannot be shown again.")
        show(key)


@app.command("list")
def list_keys(data: Data = None, json: Json = False) -> None:
    """List all keys ever created, without their secrets.

    Example: ringfence keys list
    """
    with closing(ApiKeys(folder(data))) as opened:
        keys = opened.all()
    if json:
        show_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "roles": sorted(key.roles),
                    "rate": key.rate,
                    "created_ms": key.created_ms,
                    "revoked_ms": key.revoked_ms,
                    "restriction": key.restriction.text(),
                    "made_by": key.made_by[0] if key.made_by else None,
                }
                for key in keys
            ]
        )
        return
    for key in keys:
        made = datetime.fromtimestamp(key.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        state = "in force" if key.revoked_ms is None else "revoked"
        told = f"rf_{key.id}_...  {state:8}  {made}  {','.join(sorted(key.roles)):24}  {key.name}"
        show(f"{told}  {key.restriction.text()}".rstrip())


@app.command()
def change(
    key: Annotated[str, typer.Argument(help="Its id: rf_<id>_...")],
    data: Data = None,
    role: Annotated[list[str] | None, typer.Option(help="Each role that it has from now on.")] = None,
    restrict: Annotated[
        list[str] | None, typer.Option(help="Each restriction from now on, as of `keys create`.")
    ] = None,
) -> None:
    """Give a key other roles and restrictions. Its sessions end, and a running server knows at once.

    Example: ringfence keys change 1f0c9d2e --role viewer --restrict field=email
    """
    key_id = key.removeprefix("rf_").partition("_")[0]
    roles, restriction = parse_roles(role or ()), parse_restriction(restrict or ())
    with closing(ApiKeys(folder(data))) as keys:
        keys.change(key_id, roles, restriction)
    say(f"Key {key_id} has the roles {', '.join(sorted(roles))}. {restriction.text()}".rstrip())


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its id: rf_<id>_...")], data: Data = None) -> None:
    """Revoke a key. A running server refuses it at once.

    Example: ringfence keys revoke 1f0c9d2e
    """
    key_id = key.removeprefix("rf_").partition("_")[0]
    with closing(ApiKeys(folder(data))) as keys:
        keys.revoke(key_id, time.time_ns() // 1_000_000)
    say(f"Key {key_id} is revoked.")
