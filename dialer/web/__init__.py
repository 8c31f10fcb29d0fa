"""The HTTP API, /metrics and the stream of events. Imports FastAPI and uvicorn, so only the daemon imports it."""

from dialer.web.app import create_app
from dialer.web.server import WebServer
from dialer.web.tokens import Tokens

__all__ = ["Tokens", "WebServer", "create_app"]
