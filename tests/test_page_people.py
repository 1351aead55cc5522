"""Users on the page: logging in and out, in the middle of work too, what each role may do, tokens, users, links."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import API, PICTURE, Gate, Visitor, needs_browser, plain_picture
from playwright.sync_api import Locator, Page, expect
from servers import Server, until
from users import logged_in, password_of, serve_team
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

BOX = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [50, 60, 400, 300], "area": 120000, "iscrowd": 0}
ROLES = {"ada": "admin", "rob": "reviewer", "anna": "annotator", "vera": "viewer"}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "1.png").write_bytes(plain_picture())
    image = {"id": 1, "file_name": "1.png", "width": PICTURE[0], "height": PICTURE[1]}
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": [image], "annotations": [BOX], "categories": categories}))
    return path


@pytest.fixture
def team(dataset: Path) -> Iterator[Server]:
    with serve_team(dataset, ROLES) as server:
        yield server


@pytest.fixture
def stranger(windows: Windows, team: Server) -> Iterator[Visitor]:
    """Somebody who has not logged in."""
    with windows.opened() as page:
        yield Visitor(page, team.url)


def log_in(page: Page, user: str, password: str | None = None) -> None:
    """Fill in the dialog, which must be there, and send it."""
    dialog = login_dialog(page)
    if dialog.get_by_label("User").is_editable():
        dialog.get_by_label("User").fill(user)
    dialog.get_by_label("Password").fill(password or password_of(user))
    dialog.get_by_role("button", name="Log in", exact=True).click()


def login_dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Log in")


def account(page: Page, item: str) -> None:
    """Choose something of the account's menu."""
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("dialog", name="Your account").get_by_role("button", name=item).click()


def end_session(page: Page) -> None:
    """The session is gone, as after its days."""
    page.context.clear_cookies()


def records(server: Server, name: str = "ada") -> list[dict[str, Any]]:
    """The annotations, and who changed each last."""
    found: list[dict[str, Any]] = asked(server, "/api/images/1/annotations", name)
    return found


def asked(server: Server, path: str, name: str = "ada") -> Any:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    body = json.dumps({"user": name, "password": password_of(name)}).encode()
    headers = {"Content-Type": "application/json"}
    opener.open(urllib.request.Request(f"{server.url}/api/login", body, headers)).close()
    with opener.open(f"{server.url}{path}") as answer:
        return json.load(answer)


# Logging in and out


def test_strangers_log_in_and_see_what_they_came_for(stranger: Visitor) -> None:
    stranger.open("#/images/1")
    log_in(stranger.page, "anna", "not this")
    expect(stranger.page.get_by_role("alert")).to_have_text(re.compile("wrong", re.IGNORECASE))
    log_in(stranger.page, "anna")
    expect(login_dialog(stranger.page)).to_have_count(0)
    expect(stranger.objects).to_have_count(1)
    expect(stranger.page.get_by_role("button", name="Your account: anna, annotator")).to_be_visible()
    stranger.page.reload()
    expect(stranger.objects).to_have_count(1)


def test_escape_does_not_get_round_the_question(stranger: Visitor) -> None:
    stranger.open()
    expect(login_dialog(stranger.page)).to_be_visible()
    for _ in range(3):
        stranger.page.keyboard.press("Escape")
    expect(login_dialog(stranger.page)).to_be_visible()


def test_too_many_attempts_say_how_long_to_wait(stranger: Visitor) -> None:
    stranger.open()
    alert = stranger.page.get_by_role("alert")
    # Five are free. The wait after that is of a second, and of more each time that a slow page comes too late for it.
    for _ in range(10):
        log_in(stranger.page, "anna", "not this")
        expect(alert).to_be_visible()
        if "try again" in alert.inner_text():
            break
    expect(alert).to_contain_text(re.compile(r"try again in \d+ second"))


def test_whoever_logs_out_is_asked_again_in_all_tabs(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna:
        anna.open_image(1)
        other = anna.page.context.new_page()
        other.goto(f"{team.url}/#/images")
        expect(other.locator(".tile")).to_have_count(1)
        account(anna.page, "Log out")
        expect(login_dialog(anna.page)).to_be_visible()
        expect(login_dialog(other)).to_be_visible()
        assert anna.page.context.cookies() == []


def test_a_session_that_ends_in_the_middle_loses_nothing(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna:
        anna.open_image(1)
        # Nothing that the page asks for by itself may find first that the session is gone.
        gate = Gate(anna, API)
        end_session(anna.page)
        anna.press("b")
        anna.drag((500, 60), (700, 200))
        gate.open()
        dialog = login_dialog(anna.page)
        expect(dialog).to_contain_text("1 change of anna waits here, to be sent then.")
        expect(dialog.get_by_label("User")).to_have_value("anna")
        # What anna has drawn is not to be sent as somebody else's.
        expect(dialog.get_by_label("User")).not_to_be_editable()
        log_in(anna.page, "anna")
        anna.answered()
        expect(anna.objects).to_have_count(2)
        assert len(records(team)) == 2
        assert asked(team, "/api/changes")[-1]["user"] == "anna"


def test_users_set_their_password_by_a_link_once(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "ada") as ada:
        ada.open()
        account(ada.page, "Users")
        users = ada.page.get_by_role("dialog", name="Users")
        users.get_by_label("Name").fill("Nina")
        users.locator("select[name=role]").select_option("annotator")
        users.get_by_role("button", name="Add", exact=True).click()
        link = users.get_by_role("textbox", name="A link for nina").input_value()
    assert link.startswith(f"{team.url}/#password=")
    for attempt in (1, 2):
        with windows.opened() as page:
            page.goto(link)
            dialog = page.get_by_role("dialog", name="Set your password")
            expect(dialog).to_be_visible()
            # The secret does not stay in the address, nor in the history.
            assert "password" not in page.url
            dialog.get_by_label("New password").fill("nina's own secret")
            dialog.get_by_label("Once more").fill("nina's other one")
            dialog.get_by_role("button", name="Set it").click()
            expect(dialog.get_by_role("alert")).to_have_text("The two are not the same.")
            dialog.get_by_label("Once more").fill("nina's own secret")
            dialog.get_by_role("button", name="Set it").click()
            if attempt == 1:
                log_in(page, "nina", "nina's own secret")
                expect(page.get_by_role("button", name="Your account: nina, annotator")).to_be_visible()
            else:
                expect(dialog.get_by_role("alert")).to_contain_text("link")


# Roles


def test_viewers_look_and_change_nothing(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "vera") as vera:
        vera.open_image(1)
        box = vera.page.locator(".rail [data-tool=box]")
        expect(box).to_be_disabled()
        expect(box).to_have_attribute("title", re.compile("needs the role annotator; yours is viewer"))
        expect(vera.page.locator(".hint")).to_contain_text("needs the role annotator")
        vera.click(200, 200)
        expect(vera.page.locator(".objects .current")).to_have_count(1)
        vera.press("Delete", "2", "b")
        vera.drag((200, 200), (250, 230))
        expect(vera.objects).to_have_count(1)
        assert records(team) == [{**BOX, "segmentation": []}] or records(team) == [BOX]
        assert vera.problems == []


def test_annotators_draw_and_leave_categories_alone(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna:
        anna.open_image(1)
        row = anna.page.locator(".categories li").first
        row.hover()
        why = "needs the role reviewer; yours is annotator"
        for button in (
            row.get_by_role("button", name="Edit"),
            row.get_by_role("button", name="Delete"),
            anna.page.get_by_title("Add a category"),
        ):
            expect(button).to_be_disabled()
            expect(button).to_have_attribute("title", re.compile(why))
        anna.press("/")
        anna.page.keyboard.type("unicorn")
        expect(anna.page.get_by_role("dialog")).to_contain_text("No category has this name")
        expect(anna.page.get_by_role("button", name="New category")).to_be_hidden()


def test_reviewers_change_categories(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "rob") as rob:
        rob.open_image(1)
        rob.page.get_by_role("button", name="Add a category").click()
        rob.page.get_by_role("textbox", name="Name", exact=True).fill("fish")
        rob.press("Enter")
        expect(rob.page.locator(".categories")).to_contain_text("fish")


def test_a_role_that_is_taken_away_in_the_middle_is_said_and_shown(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna, logged_in(windows, team, "ada") as ada:
        anna.open_image(1)
        ada.open()
        account(ada.page, "Users")
        with ada.page.expect_response("**/api/users/anna"):
            ada.page.get_by_label("Role of anna").select_option("viewer")
        anna.click(200, 200)
        anna.press("2")
        expect(anna.page.locator(".toast")).to_contain_text("needs the role annotator")
        expect(anna.page.locator(".rail [data-tool=box]")).to_be_disabled()
        expect(anna.objects.first).to_contain_text("cat")


# Tokens and users


def test_a_token_is_shown_once_and_works_until_it_is_revoked(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna:
        anna.open()
        account(anna.page, "My tokens")
        dialog = anna.page.get_by_role("dialog", name="My tokens")
        expect(dialog).to_contain_text("You have no tokens.")
        dialog.get_by_label("What is it for?").fill("nightly export")
        dialog.get_by_label("It may do").select_option("viewer")
        expect(dialog.get_by_label("It may do").get_by_role("option")).to_have_text(["annotator", "viewer"])
        dialog.get_by_role("button", name="Make a token").click()
        secret = dialog.get_by_role("textbox", name="The token").input_value()

        def who() -> tuple[int, Any]:
            request = urllib.request.Request(f"{team.url}/api/me", headers={"Authorization": f"Bearer {secret}"})
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code, None

        assert who() == (200, {"user": "anna", "role": "viewer", "by": "token"})
        dialog.get_by_role("button", name="Close").click()
        account(anna.page, "My tokens")
        expect(dialog).to_contain_text("nightly export")
        expect(dialog.get_by_role("textbox", name="The token")).to_have_count(0)
        dialog.get_by_role("button", name="Revoke nightly export").click()
        expect(dialog).to_contain_text("You have no tokens.")
        assert who()[0] == 401


def test_admins_disable_enable_and_delete_users(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "ada") as ada, logged_in(windows, team, "anna") as anna:
        anna.open_image(1)
        ada.open()
        account(ada.page, "Users")
        users = ada.page.get_by_role("dialog", name="Users")
        row = users.locator("li", has_text="anna")
        row.get_by_role("button", name="Disable anna").click()
        ada.page.get_by_role("dialog", name="Disable anna?").get_by_role("button", name="Disable").click()
        expect(row).to_contain_text("disabled")
        anna.press("b")
        anna.drag((500, 60), (700, 200))
        expect(login_dialog(anna.page)).to_be_visible()
        row.get_by_role("button", name="Enable anna").click()
        expect(row).not_to_contain_text("disabled")
        row.get_by_role("button", name="Delete anna").click()
        ada.page.get_by_role("dialog", name="Delete anna?").get_by_role("button", name="Delete").click()
        expect(users.locator("li", has_text="anna")).to_have_count(0)
        assert {user["name"] for user in asked(team, "/api/users")} == set(ROLES) - {"anna"}


def test_the_last_admin_stays_one(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "ada") as ada:
        ada.open()
        account(ada.page, "Users")
        users = ada.page.get_by_role("dialog", name="Users")
        users.get_by_label("Role of ada").select_option("viewer")
        expect(users.get_by_role("alert")).to_contain_text("admin")
        expect(users.get_by_label("Role of ada")).to_have_value("admin")


def test_only_admins_see_users(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "rob") as rob:
        rob.open()
        rob.page.get_by_role("button", name="Your account").click()
        expect(rob.page.get_by_role("button", name="My tokens")).to_be_visible()
        expect(rob.page.get_by_role("button", name="Users")).to_be_hidden()


def test_without_users_there_is_no_account(windows: Windows, dataset: Path) -> None:
    with serve_again(dataset) as server, windows.opened() as page:
        visitor = Visitor(page, server.url)
        visitor.open_image(1)
        expect(visitor.page.get_by_role("button", name="Your account")).to_be_hidden()
        until(lambda: visitor.page.locator(".rail [data-tool=box]").is_enabled(), "everybody may draw")
