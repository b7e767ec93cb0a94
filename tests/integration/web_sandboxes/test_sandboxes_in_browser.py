"""Pages of sandboxes in a real browser: they stay up to date, and whoever uses them is not disturbed by that."""

from __future__ import annotations

from playwright.sync_api import Dialog, Page, expect

from tests.integration.web_tools.dashboard import Dashboard

expect.set_options(timeout=60_000)


def mark(page: Page) -> None:
    """So that a page that was loaded anew is known by what it lacks."""
    page.evaluate("document.body.parentElement.dataset.mark = 'here'")


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("document.body.parentElement.dataset.mark === 'here'"))


def test_a_row_changes_in_its_place_and_the_keyboard_goes_on_there(
    dashboard: Dashboard, page: Page, sandbox: str
) -> None:
    page.goto(f"{dashboard.url}/")
    mark(page)
    row = page.locator(f"[id='{sandbox}']")
    row.get_by_role("button", name="Hibernate").focus()
    page.keyboard.press("Enter")
    expect(row.locator(".status")).to_have_text("hibernated")
    expect(row.get_by_role("button", name="Wake")).to_be_focused()
    dashboard.call("POST", f"/sandboxes/{sandbox}/wake", 200)
    expect(row.locator(".status")).to_have_text("running")
    expect(row.get_by_role("button", name="Hibernate")).to_be_focused()
    assert is_the_same(page)


def test_a_new_sandbox_appears_by_itself_and_a_killed_one_goes(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/")
    expect(page.locator(f"[id='{sandbox}']")).to_be_visible()
    other = dashboard.create()
    expect(page.locator(f"[id='{other}']")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator(f"[id='{other}']").get_by_role("button", name="Kill").click()
    expect(page.locator(f"[id='{other}']")).to_have_count(0)
    expect(page.locator(f"[id='{sandbox}']")).to_be_visible()


def test_what_is_not_confirmed_is_not_done(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}")
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", refuse)
    page.get_by_role("button", name="Kill").click()
    assert sandbox in asked[0]
    assert dashboard.call("GET", f"/sandboxes/{sandbox}", 200)["status"] == "running"


def test_a_filter_is_in_the_address_while_it_is_typed(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/?status=running")
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.locator("#sandboxes")).to_contain_text("No sandbox matches")
    expect(page).to_have_url(f"{dashboard.url}/?status=running&q=nothing%20like%20it")
    page.get_by_role("link", name="All").click()
    expect(page).to_have_url(f"{dashboard.url}/?status=all&q=nothing+like+it")
    page.get_by_role("link", name="Running").click()
    page.get_by_role("searchbox").fill(sandbox[3:])
    expect(page.locator(f"[id='{sandbox}']")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    dashboard.call("POST", f"/sandboxes/{sandbox}/hibernate", 200)
    expect(page.locator(f"[id='{sandbox}']")).to_have_count(0)


def test_news_close_no_menu_and_take_no_words_away(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}")
    mark(page)
    page.locator("#timeout").fill("77")
    page.locator("#more summary").click()
    dashboard.call("POST", f"/sandboxes/{sandbox}/timeout", 204, json={"timeout": 7200})
    expect(page.locator("#facts")).to_contain_text("2 h")
    expect(page.get_by_role("button", name="Power-cycle")).to_be_visible()
    expect(page.locator("#timeout")).to_have_value("77")
    page.keyboard.press("Escape")
    page.locator(".timeout button").click()
    expect(page.locator("#facts")).to_contain_text("1 min 17 s")
    dashboard.call("POST", f"/sandboxes/{sandbox}/hibernate", 200)
    expect(page.locator("#sandbox-head")).to_contain_text("hibernated")
    expect(page.locator("#running")).to_contain_text("it is hibernated")
    assert is_the_same(page)


def test_an_error_is_told_and_what_was_typed_stays(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/checkpoints")
    name, button = page.locator("input[name=name]"), page.get_by_role("button", name="Create checkpoint")
    name.fill("clean")
    button.click()
    expect(name).to_have_value("")
    name.fill("clean")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("already exists")
    expect(name).to_have_value("clean")
    expect(page.locator("#checkpoints .status")).to_have_text("ready")
    page.get_by_role("button", name="Fork clean").click()
    expect(page.locator("#facts")).to_contain_text("Fork of")
    fork = page.url.rpartition("/")[2]
    assert fork != sandbox
    expect(page).to_have_title(f"{fork} · OpenComputer")
    dashboard.call("POST", f"/sandboxes/{fork}/hibernate", 200)
    expect(page.locator("#sandbox-head")).to_contain_text("hibernated")
    dashboard.call("DELETE", f"/sandboxes/{fork}", 204)


def test_a_page_whose_session_has_ended_asks_to_sign_in(dashboard: Dashboard, page: Page, sandbox: str) -> None:
    """The browser forgets its cookie here: the session itself lives on for the other tests."""
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}")
    page.context.clear_cookies()
    page.evaluate("setTimeout(() => document.dispatchEvent(new Event('visibilitychange')), 200)")
    expect(page).to_have_url(f"{dashboard.url}/sign-in?next=/sandboxes/{sandbox}")
