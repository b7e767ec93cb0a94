"""The promised numbers, as programs that print figures; never timed tests."""
