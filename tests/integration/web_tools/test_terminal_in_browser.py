"""The terminal as a person uses it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.integration.web_tools.dashboard import Dashboard, wait

PATIENCE_MS = 60_000


def words(page: Page) -> Locator:
    return page.locator("#terminal [data-words]")


def shows(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows")).to_contain_text(text, timeout=PATIENCE_MS)


def says(page: Page, text: str) -> None:
    expect(words(page)).to_contain_text(text, timeout=PATIENCE_MS)


def open_terminal(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/terminal")
    says(page, "Connected")
    shows(page, "#")  # its prompt
    page.locator("[data-screen]").click()


def run(page: Page, command: str) -> None:
    page.keyboard.type(f"{command}\n")


def test_a_shell_is_typed_into_and_comes_back_with_the_page(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "mine=41; echo sum-$((mine+1))")
    shows(page, "sum-42")
    page.reload()
    says(page, "Connected")
    shows(page, "sum-42")
    page.locator("[data-screen]").click()
    run(page, "echo still-$((mine+2))")
    shows(page, "still-43")


def test_the_terminal_has_the_size_of_its_window(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "trap 'echo size-$(stty size)-' WINCH; echo set-$((1+1))")
    shows(page, "set-2")
    page.set_viewport_size({"width": 700, "height": 500})
    expect(page.locator(".xterm-rows")).to_contain_text(re.compile(r"size-\d+ [78]\d-"), timeout=PATIENCE_MS)


def test_a_lost_connection_is_told_and_mended(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "mine=41; (sleep 2; echo meanwhile-$((mine+1))) &")
    dashboard.stop_server()
    says(page, "The connection was lost")
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    dashboard.serve()
    says(page, "Connected")
    shows(page, "meanwhile-42")
    page.locator("[data-screen]").click()
    run(page, "echo again-$((mine+2))")
    shows(page, "again-43")


def test_a_shell_that_ends_is_told_and_followed_by_a_new_one(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "exit 3")
    says(page, "The shell has ended with code 3.")
    page.get_by_role("button", name="New shell").click()
    says(page, "Connected")
    run(page, "echo new-$((1+1))")
    shows(page, "new-2")


def test_a_shell_is_ended_by_its_button(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End shell").click()
    says(page, "The shell has ended")
    assert dashboard.call("GET", f"/sandboxes/{sandbox}/pty", 200) == []


def test_a_sandbox_that_falls_asleep_stays_asleep_until_its_button(
    page: Page, dashboard: Dashboard, sandbox: str
) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "mine=41; echo sum-$((mine+1))")
    shows(page, "sum-42")
    dashboard.sleep(sandbox)
    says(page, "The sandbox is asleep")
    page.reload()
    says(page, "The sandbox is asleep")
    assert dashboard.status(sandbox) == "hibernated"
    page.get_by_role("button", name="Wake it").click()
    says(page, "Connected")
    shows(page, "sum-42")  # the same shell
    assert dashboard.status(sandbox) == "running"


def test_a_terminal_comes_back_when_somebody_else_wakes_its_sandbox(
    page: Page, dashboard: Dashboard, sandbox: str
) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "echo sum-$((40+2))")
    shows(page, "sum-42")
    dashboard.sleep(sandbox)
    says(page, "The sandbox is asleep")
    dashboard.call("POST", f"/sandboxes/{sandbox}/wake", 200, json={})
    says(page, "Connected")
    shows(page, "sum-42")


def test_a_shell_can_be_gone_back_to(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "echo first-$((1+1))")
    shows(page, "first-2")
    page.get_by_role("button", name="New shell").click()
    expect(page.locator(".xterm-rows")).not_to_contain_text("first-2", timeout=PATIENCE_MS)
    shells = page.get_by_label("Shell", exact=True)
    expect(shells.locator("option")).to_have_count(2, timeout=PATIENCE_MS)
    shells.select_option(index=0)
    shows(page, "first-2")


def test_output_has_no_power_over_the_page(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    title = page.title()
    page.evaluate("""() => {
        window.reached = [];
        window.open = (...words) => { window.reached.push(words); return null; };
        navigator.clipboard.writeText = (text) => { window.reached.push(text); return Promise.resolve(); };
    }""")
    dashboard.write(
        sandbox,
        "/root/hostile",
        b"\x1b]0;EVIL\x07\x1b]2;EVIL\x07\x1b]52;c;ZXZpbA==\x07\x1b[21t\x1b[5i"
        b"\x1b]8;;javascript:window.reached.push(1)\x07press\x1b]8;;\x07\r\n"
        b"\x1b]8;;http://evil.example/\x07press\x1b]8;;\x07\r\n"
        b"<img src=x onerror=window.reached.push(2)>\r\n",
    )
    run(page, "cat hostile; echo shown-$((1+1))")
    shows(page, "shown-2")
    links = page.locator(".xterm-rows span[class*=underline]", has_text="press")
    expect(links).to_have_count(2)
    for box in [link.bounding_box() for link in links.all()]:  # hovering draws them anew
        assert box is not None
        page.mouse.move(box["x"] + 8, box["y"] + 6)
        page.mouse.click(box["x"] + 8, box["y"] + 6)
    assert page.evaluate("window.reached") == []
    assert page.title() == title
    assert page.locator(".xterm img").count() == 0


def test_a_flood_of_output_leaves_the_page_alive(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "yes a-line-of-a-flood-that-does-not-end")
    shows(page, "a-line-of-a-flood")
    for _ in range(20):  # frames, each of which the flood may delay but not prevent
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.keyboard.press("Control+C")
    run(page, "echo dry-$((1+1))")
    shows(page, "dry-2")


def test_a_key_leads_out_of_the_terminal(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    page.keyboard.press("Tab")  # is the shell's
    assert page.evaluate("document.activeElement.closest('.xterm') !== null")
    page.keyboard.press("Control+Shift+L")
    expect(page.get_by_role("button", name="New shell")).to_be_focused()


def test_screen_readers_are_told_the_output(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    page.get_by_label("For screen readers").check()
    page.locator("[data-screen]").click()
    run(page, "echo read-$((1+1))")
    expect(page.locator(".xterm-accessibility")).to_contain_text("read-2", timeout=PATIENCE_MS)


def test_keys_of_a_phone_are_typed(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    run(page, "cat")
    page.locator("[data-key=end]").evaluate("button => button.click()")
    run(page, "echo out-$((1+1))")
    shows(page, "out-2")


def test_leaving_the_page_does_not_end_the_shell(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    open_terminal(page, dashboard, sandbox)
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files")

    def left() -> bool:
        return [one["attachedClients"] for one in dashboard.call("GET", f"/sandboxes/{sandbox}/pty", 200)] == [0]

    wait(left)
