"""Sessions and files as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.integration.web_tools.dashboard import Dashboard, wait

PATIENCE_MS = 60_000
NAME = "a b#c?d%41 <b>é.txt"


def run(page: Page, dashboard: Dashboard, sandbox: str, command: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/sessions")
    page.get_by_role("textbox", name="Command").fill(command)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/sessions/*")


def says(page: Page, text: str) -> None:
    expect(page.locator("#session [data-words]")).to_contain_text(text, timeout=PATIENCE_MS)


def test_a_command_is_run_and_its_output_seen(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    run(page, dashboard, sandbox, "echo to-out; echo to-err >&2; exit 4")
    says(page, "Exited with 4")
    rows = page.locator(".xterm-rows")
    expect(rows).to_contain_text("to-out")
    expect(rows.locator("span[class*=xterm-fg-1]")).to_have_text("to-err")
    expect(page.get_by_role("button", name="Kill", exact=True).and_(page.locator("#session *"))).to_be_hidden()


def test_a_command_is_given_input_and_its_end(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    run(page, dashboard, sandbox, "cat; echo over")
    says(page, "Running")
    page.get_by_label("A line for its input").fill("said to it")
    page.keyboard.press("Enter")
    expect(page.locator(".xterm-rows")).to_contain_text("said to it", timeout=PATIENCE_MS)
    page.get_by_role("button", name="End of input").click()
    says(page, "Exited with 0")
    expect(page.locator(".xterm-rows")).to_contain_text("over")


def test_a_session_goes_on_after_a_lost_connection(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    run(page, dashboard, sandbox, "read line; echo got-$line")
    says(page, "Running")
    dashboard.stop_server()
    says(page, "The connection was lost")
    dashboard.serve()
    says(page, "Running")
    page.get_by_label("A line for its input").fill("it")
    page.keyboard.press("Enter")
    says(page, "Exited with 0")
    expect(page.locator(".xterm-rows")).to_contain_text("got-it")


def test_a_command_that_cannot_be_run_stays_in_the_form(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/sessions")
    page.get_by_role("textbox", name="Command").fill("ls")
    page.get_by_label("Directory").fill("/nowhere")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("/nowhere", timeout=PATIENCE_MS)
    expect(page.get_by_role("textbox", name="Command")).to_have_value("ls")


def test_the_list_stays_fresh_and_kills(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/sessions")
    expect(page.locator("#sessions")).to_contain_text("No command runs")
    dashboard.call("POST", f"/sandboxes/{sandbox}/exec", 201, json={"cmd": "sleep 600"})
    row = page.locator("#sessions tr", has_text="sleep 600")
    expect(row).to_contain_text("running", timeout=PATIENCE_MS)
    row.get_by_label("Signal for sleep 600").select_option("KILL")
    row.get_by_role("button", name="Send").click()
    expect(row).to_contain_text("exit -1", timeout=PATIENCE_MS)


# --- files ---


def test_a_file_is_uploaded_opened_downloaded_and_deleted(
    page: Page, dashboard: Dashboard, sandbox: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_text("its content\n")
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    page.locator("input[data-upload]").set_input_files(tmp_path / NAME)
    page.get_by_role("link", name=NAME, exact=True).click()
    expect(page.locator("pre.content")).to_have_text("its content\n")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.suggested_filename.startswith("a b")
    assert download.value.path().read_text() == "its content\n"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/files?path=/root")
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)


def test_a_directory_is_made_entered_and_deleted(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    page.get_by_role("button", name="New directory").click()
    page.get_by_label("Name of the new directory").fill("its own #1")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="its own #1", exact=True).click()
    expect(page.get_by_text("Nothing here")).to_be_visible()
    page.get_by_label("Path").get_by_role("link", name="root").click()
    page.get_by_role("button", name="Delete its own #1").click()
    expect(page.get_by_role("link", name="its own #1", exact=True)).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator("#messages")).to_contain_text("is deleted")


def test_files_are_dropped_and_directories_are_refused(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    transfer = page.evaluate_handle("""() => {
        const transfer = new DataTransfer();
        for (const name of ["one", "two"]) transfer.items.add(new File(["content of " + name], name));
        return transfer;
    }""")
    page.dispatch_event("#files", "drop", {"dataTransfer": transfer})
    expect(page.locator("[data-uploads]")).to_contain_text("uploaded", timeout=PATIENCE_MS)
    wait(lambda: "two" in dashboard.run(sandbox, "ls /root"))
    assert dashboard.run(sandbox, "cat /root/one /root/two") == "content of onecontent of two"


@pytest.mark.parametrize("size", [30_000_000])
def test_an_upload_shows_how_far_it_is_and_is_whole(
    page: Page, dashboard: Dashboard, sandbox: str, tmp_path: Path, size: int
) -> None:
    (tmp_path / "large").write_bytes(b"x" * size)
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    page.locator("input[data-upload]").set_input_files(tmp_path / "large")
    expect(page.get_by_label("Upload of large")).to_have_count(1)
    expect(page.locator("[data-uploads]")).to_contain_text("uploaded", timeout=PATIENCE_MS)
    assert dashboard.run(sandbox, "stat -c %s /root/large") == f"{size}\n"


def test_an_upload_that_fails_is_told(page: Page, dashboard: Dashboard, sandbox: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("content")
    page.on("dialog", lambda dialog: dialog.accept())  # it would replace what is there
    dashboard.run(sandbox, "mkdir -p /root/taken/by")
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    page.locator("input[data-upload]").set_input_files(tmp_path / "taken")
    expect(page.locator("[data-uploads] .bad")).to_contain_text("taken", timeout=PATIENCE_MS)


def test_a_sleeping_sandbox_is_woken_by_the_button_only(page: Page, dashboard: Dashboard, sandbox: str) -> None:
    dashboard.sleep(sandbox)
    page.goto(f"{dashboard.url}/sandboxes/{sandbox}/files?path=/root")
    expect(page.get_by_text("The sandbox is asleep")).to_be_visible()
    assert dashboard.status(sandbox) == "hibernated"
    page.get_by_role("button", name="Wake it").click()
    expect(page.locator("#files")).to_be_visible(timeout=PATIENCE_MS)
    assert dashboard.status(sandbox) == "running"
