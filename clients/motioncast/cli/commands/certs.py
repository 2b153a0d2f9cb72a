"""`motioncast certs`: certificates for trying out encrypted connections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def certs(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name or address of the server, besides localhost, 127.0.0.1 and ::1; as "
            "often as there are names.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="That the certificates count.")] = 90,
) -> None:
    """Create an authority, a server certificate and a client certificate, for development.

    An authority already in the folder is reused; servers pick up the new files without a restart.
    """
    from motioncast.local.certificates import LOCAL_NAMES, make_certificates

    files = make_certificates(out, [*LOCAL_NAMES, *(name or ())], days)
    ca, server, key = files["ca.pem"], files["server.pem"], files["server.key"]
    typer.echo(f"{out}: for development; keep {files['ca.key'].name} to yourself")
    typer.echo(f"  motioncast serve --ssl-mode TLS --ssl-certificate {server} --ssl-key {key}")
    typer.echo(f"  motioncast info --tls-ca {ca}")
