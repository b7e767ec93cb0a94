"""A dashboard over real processes, and a browser that looks at it."""

from tests.integration.web_tools.conftest import agent, browser, dashboard, page, sandbox

__all__ = ["agent", "browser", "dashboard", "page", "sandbox"]
