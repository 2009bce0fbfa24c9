"""Selecting in the page: names, files that it saves and files that it loads."""

import json
import time


def downloaded(page, folder, name, kind, scope=None):
    """The file that a kind of the dialog saves, read and taken away."""
    if not page.find("#save").is_displayed():
        page.find("#take").click()
    if scope:
        page.find(f"[name=scope][value={scope}]").click()
    page.find(f"#kinds [data-kind={kind}]").click()
    return waited_for(folder / name)


def waited_for(file):
    for _ in range(200):
        if file.exists() and not list(file.parent.glob("*.crdownload")):
            break
        time.sleep(0.02)
    content = file.read_bytes()
    file.unlink()
    return content


def call_it(page, name):
    page.press("n")
    page.press(*name, "ENTER")


def load(page, tmp_path, content):
    """Loads a selection file; what the page says of it."""
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "read.json").write_text(text)
    page.press("s")
    page.find("#load").send_keys(str(tmp_path / "read.json"))
    for _ in range(100):
        if page.find("#message").text:
            return page.find("#message").text
        time.sleep(0.02)
    raise AssertionError("the page says nothing")
