"""From a service's URL, as the settings have it, to its endpoints. Pure."""

from urllib.parse import urlsplit, urlunsplit

_AS_HTTP = {"ws": "http", "wss": "https"}
_AS_WEBSOCKET = {"http": "ws", "https": "wss"}


def over_http(url: str, path: str) -> str:
    """An endpoint of the service that speaks HTTP: `ws://host:8001`, `/health`."""
    return _endpoint(url, path, _AS_HTTP)


def over_websocket(url: str, path: str) -> str:
    """An endpoint of the service that speaks WebSocket."""
    return _endpoint(url, path, _AS_WEBSOCKET)


def shown(url: str) -> str:
    """The URL without what may be secret in it, for people."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _endpoint(url: str, path: str, schemes: dict[str, str]) -> str:
    parts = urlsplit(url)
    scheme = schemes.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}{path}", "", ""))
