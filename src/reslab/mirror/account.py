"""Where Weights & Biases is, and whether there is a key for it. Nobody is ever asked for one."""

import netrc
import os
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

from reslab.errors import UserError
from reslab.web import ask

PATIENCE = 5.0
"""Seconds that the server has for its first answer."""


def base_url() -> str:
    """The server that W&B's own settings name: WANDB_BASE_URL, a settings file, or the cloud's."""
    import wandb  # costs a second, so only now

    try:
        return str(wandb.setup().settings.base_url)
    except ValueError as error:  # pydantic's
        raise UserError(f"W&B's settings (WANDB_BASE_URL?) are refused: {error}") from None


def project() -> str:
    """The project that runs and dashboards are in: WANDB_PROJECT, else reslab."""
    return os.environ.get("WANDB_PROJECT") or "reslab"


def default_entity() -> str:
    """Whose projects the server means where nobody is named; asks it."""
    import wandb

    return str(wandb.Api().default_entity)


def why_offline() -> str | None:
    """Why nothing can be sent to the server; None where it can."""
    url = base_url()
    if not has_key(url):
        return f"there is no key for {url} (wandb login, or WANDB_API_KEY)"
    return None if reachable(url) else f"{url} does not answer"


def has_key(base_url: str) -> bool:
    """Whether there is a key for the server, in the environment or in a netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    files = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    host = urlsplit(base_url).hostname or ""
    for file in filter(None, files):
        try:
            if host in netrc.netrc(Path(file).expanduser()).hosts:
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def reachable(base_url: str) -> bool:
    """Whether anything answers at the address, through the proxy if one is configured."""
    try:
        ask(base_url, PATIENCE, PATIENCE).close()
    except HTTPError:  # an answer
        return True
    except (OSError, HTTPException, ValueError):  # nobody, or nobody who speaks HTTP
        return False
    return True
