"""An amoCRM account on this machine: data, lists, rate limit, faults, tokens and writes, as amoCRM's documents say."""

from .account import Account
from .adapter import SandboxAdapter
from .clock import NOW, ManualClock, MovedClock, RealClock
from .credentials import Client, Lifetimes
from .faults import Fault, Faults
from .http import Request, Response
from .limits import OFF, Rate
from .sandbox import Sandbox
from .server import Server
from .switches import Switches
from .tokens import Tokens

__all__ = [
    "NOW",
    "OFF",
    "Account",
    "Client",
    "Fault",
    "Faults",
    "Lifetimes",
    "ManualClock",
    "MovedClock",
    "Rate",
    "RealClock",
    "Request",
    "Response",
    "Sandbox",
    "SandboxAdapter",
    "Server",
    "Switches",
    "Tokens",
]
