"""A program that holds one of every kind of thing that a saved sandbox must bring back, and can check itself.

It is copied into a sandbox and runs there, so it needs nothing but Python's standard library.
"""
