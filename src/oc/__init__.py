"""OpenComputer: a self-hosted cloud of disposable Linux sandboxes for AI agents."""

__version__ = "0.1.0"
