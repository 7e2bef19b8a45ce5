"""WaveSpeed, offline."""

from .behaviour import Sandbox
from .faults import Call, Fault
from .server import serve

__all__ = ["Call", "Fault", "Sandbox", "serve"]
