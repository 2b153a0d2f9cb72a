"""`motioncast certs`: certificates for trying out encrypted connections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def certs(
    out: Annotated[Path, typer.Argument(help="Folder to write the certificates to.")],
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name or address of the server, in addition to localhost, 127.0.0.1 and "
            "::1; may be repeated.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="Days that the certificates are valid.")] = 90,
) -> None:
    """Create an authority, a server certificate and a client certificate, for development.

    An authority already in the folder is reused; servers pick up the new files without a restart.
    """
    from motioncast.local.certificates import LOCAL_NAMES, make_certificates

    files = make_certificates(out, [*LOCAL_NAMES, *(name or ())], days)
    ca, server, key = files["ca.pem"], files["server.pem"], files["server.key"]
    typer.echo(f"{out}: for development only; keep {files['ca.key'].name} secret")
    typer.echo(f"  motioncast serve --ssl-mode TLS --ssl-certificate {server} --ssl-key {key}")
    typer.echo(f"  motioncast info --tls-ca {ca}")
