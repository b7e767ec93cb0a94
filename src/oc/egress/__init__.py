"""The egress proxy: the only way out of a governed sandbox.

A process of its own, in an environment of its own (docs/decisions/0013): the modules here import the standard library,
mitmproxy and what comes with it, and nothing else of OpenComputer. It learns who may do what from files that the worker
writes (policy.py, pins.py), and tells what it refused by datagrams (events.py).
"""
