"""`ringfence keys`: who may ask a server."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from ringfence.access.restriction import Restriction, parse_restriction
from ringfence.access.roles import PERMITTED, Permission, Role, parse_roles
from ringfence.cli.audited import actor
from ringfence.cli.terminal.options import Data, Json, folder
from ringfence.cli.terminal.screen import say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.keys import open_keys
from ringfence.masking import mask_cards

_USUAL = "decide"

app = typer.Typer(help="Make, list and revoke the keys of a server.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for your own eyes.")],
    data: Data = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help=f"One of {', '.join(Role)}; may be given several times. [default: {_USUAL}]",
            show_default=False,
        ),
    ] = None,
    restrict: Annotated[
        list[str] | None,
        typer.Option(
            help="queue=NAME, of cases; field=NAME, which hides it; entity=TYPE (card), whose ids "
            "are shown; region=COUNTRY, such as DE, of payments. May be given several times."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Maximum number of records per second; 0 for no limit.")
    ] = 0.0,
    burst: Annotated[
        float,
        typer.Option(min=0, help="Maximum burst of records. [default: the rate]", show_default=False),
    ] = 0.0,
    json: Json = False,
) -> None:
    """Create a key and show it once. Only its hash is stored.

    It is known by its name wherever a second person must differ from the first: give each person one name.

    Example: ringfence keys create till-7 --role decide
    """
    roles, restriction = parse_roles(role or [_USUAL]), parse_restriction(restrict or ())
    name = mask_cards(name)
    with closing(open_keys(folder(data))) as keys:
        same = [one.id for one in keys.all() if one.name == name and one.revoked_ms is None]
        key = keys.create(
            name,
            roles,
            now_ms(),
            rate=rate,
            burst=burst,
            restriction=restriction,
            made_by=(actor(),),
        )
    if json:
        show_json({"key": key, "name": name, "roles": sorted(roles)})
    else:
        key_id = key.split("_")[1]
        say(f"Key {key_id} of {name}: {_told(roles, restriction)}.")
        if not role:
            say(f"It may only ask for decisions; --role gives it other roles: {', '.join(Role)}.")
        _hint(roles)
        if same:
            say(
                f"Warning: {name} is also the name of the key {', '.join(same)}. Pages show names only; "
                f"`ringfence keys revoke {same[0]}` takes the older one back."
            )
        say("Keep this key: it cannot be shown again.")
        show(key)


@app.command("list")
def list_keys(data: Data = None, json: Json = False) -> None:
    """List all keys ever created, without their secrets.

    Example: ringfence keys list
    """
    with closing(open_keys(folder(data))) as opened:
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
    if not keys:
        say("No keys yet: `ringfence keys create NAME --role ROLE` makes the first.")
        return
    rows = []
    for key in keys:
        made = datetime.fromtimestamp(key.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        roles, state = ", ".join(sorted(key.roles)), "in force" if key.revoked_ms is None else "revoked"
        rows.append((f"rf_{key.id}_...", key.name, roles, key.restriction.text(), state, made))
    show_table(["key", "name", "roles", "restrictions", "state", "created"], rows)


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

    What is left out is taken away: without --restrict every restriction is lifted, and it says which.

    Example: ringfence keys change 1f0c9d2e --role viewer --restrict field=email
    """
    key_id = key.removeprefix("rf_").partition("_")[0]
    roles, restriction = parse_roles(role or ()), parse_restriction(restrict or ())
    with closing(open_keys(folder(data))) as keys:
        before = next((one.restriction.text().split() for one in keys.all() if one.id == key_id), [])
        keys.change(key_id, roles, restriction)
    say(f"Key {key_id}: {_told(roles, restriction)}.")
    if lifted := [word for word in before if word not in restriction.text().split()]:
        say(f"Restrictions lifted: {' '.join(lifted)}.")
    _hint(roles)


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its id: rf_<id>_...")], data: Data = None) -> None:
    """Revoke a key. A running server refuses it at once.

    Example: ringfence keys revoke 1f0c9d2e
    """
    key_id = key.removeprefix("rf_").partition("_")[0]
    with closing(open_keys(folder(data))) as keys:
        keys.revoke(key_id, now_ms())
    say(f"Key {key_id} is revoked.")


def _told(roles: frozenset[Role], restriction: Restriction) -> str:
    narrowed = restriction.text()
    return f"{_counted(roles)}{f', restricted to {narrowed}' if narrowed else ', no restrictions'}"


def _counted(roles: frozenset[Role]) -> str:
    return f"role{'s' * (len(roles) > 1)} {', '.join(sorted(roles))}"


def _hint(roles: frozenset[Role]) -> None:
    """What roles lack that are meant for people: pages are opened by whoever may read."""
    reads = any(Permission.READ in PERMITTED[role] for role in roles)
    if not reads and Role.PRIVACY in roles:
        say(
            "With these roles alone nobody signs in to the pages: add --role viewer, which lets it read. "
            "One key may have several roles."
        )
