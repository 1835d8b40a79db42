#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
test_farm_page.py - the page of examples/farm in a headless Chromium.

  test_farm_page.py FARM GUEST [FOLDER]     with screenshots in FOLDER

GUEST is tests/guests/worker.c. Exit status: 0, 1, or 77 where there is no KVM to run it on, or no Chromium.
"""
import os
import sys
import traceback

import webdriver
from farm_server import Server, SLOW

NAMES = "w-1", "w-2", "w-3"
CARD = '.guest[data-name="%s"]'
FOLDER = sys.argv[3] if len(sys.argv) > 3 else None

# What the terminal shows, line by line; the page keeps its guests in a constant of its script.
SHOWN = """
const t = guests.get(arguments[0]).terminal, b = t.buffer.active, lines = [];
for (let i = 0; i < b.length; i++)
    lines.push(b.getLine(i).translateToString(true));
return lines.filter(l => l).join("\\n");
"""
# The plots' numbers.
MOVING = "return guests.get(arguments[0]).before.disk_written"
STATE = "return document.querySelector(arguments[0]).dataset.state"


def shot(browser, name):
    if FOLDER:
        browser.screenshot(f"{FOLDER}/{name}.png")


def shown(browser, name):
    return browser.run(SHOWN, name)


def keeps_moving(browser, *names):
    """Their consoles scroll, and their counters count."""
    before = {n: (shown(browser, n), browser.run(MOVING, n)) for n in names}
    for n in names:
        browser.until("""
            const lines = (() => {""" + SHOWN + """})();
            return lines !== arguments[1] && guests.get(arguments[0]).before.disk_written > arguments[2]""", n, *before[n])


def a_visitor_without_the_token_sees_no_guests(server, browser):
    browser.open(server.url)
    browser.until("return !document.getElementById('login').hidden")
    assert browser.run("return guests.size") == 0
    browser.type("#token", "a wrong one")
    browser.click("#login button")
    browser.until("return document.getElementById('trouble').textContent === 'that is not the token'")
    shot(browser, "login")
    browser.run("document.getElementById('token').value = ''")
    browser.type("#token", server.token)
    browser.click("#login button")
    browser.until("return guests.size === 3")
    browser.at("DELETE", "/cookie")
    browser.messages()      # the 401s are on purpose


def the_token_behind_the_address_opens_the_page(server, browser):
    browser.open(server.url + "/?again#" + server.token)
    browser.until("return guests.size === 3")
    assert server.token not in browser.run("return location.href"), "the token stays in the address"
    assert browser.run("return document.cookie") == "", "a script can read the cookie"
    for n in NAMES:
        browser.until("return document.querySelector(arguments[0]).dataset.state === 'running'", CARD % n)
    keeps_moving(browser, *NAMES)
    for n in NAMES:
        for kind in "cpu", "memory", "disk", "net":
            browser.until("""
                const p = guests.get(arguments[0]).plots[arguments[1]];
                const pixels = p.canvas.getContext("2d").getImageData(0, 0, p.canvas.width, p.canvas.height).data;
                return p.values.length >= 2 && p.words.textContent && pixels.some(v => v)""", n, kind)
    shot(browser, "running")


def a_guest_crashes_and_comes_back_while_the_others_go_on(server, browser):
    before = browser.run("return guests.get('w-2').before.restarts")
    browser.click(CARD % "w-2" + " button[data-action=crash]")
    browser.until("return document.querySelector(arguments[0]).dataset.state === 'stopped'", CARD % "w-2")
    assert browser.run("return document.querySelector(arguments[0]).querySelector('.record').hidden === false", CARD % "w-2")
    shot(browser, "crashed")
    keeps_moving(browser, "w-1", "w-3")
    browser.until("const g = guests.get('w-2'); return g.before.restarts > arguments[0] && g.card.dataset.state === 'running'",
                  before)
    keeps_moving(browser, *NAMES)
    assert "going on after" in shown(browser, "w-2")
    assert "KVM internal error" in browser.run("""
        const x = new XMLHttpRequest();
        x.open("GET", "/api/guests/w-2/crash-record", false);
        x.send();
        return x.responseText""")
    assert server.guests()["w-1"]["starts"] == server.guests()["w-3"]["starts"] == 1


def the_buttons_do_their_work(server, browser):
    def press(action):
        browser.until("const b = document.querySelector(arguments[0]); return b && !b.disabled",
                      CARD % "w-1" + f" button[data-action={action}]")
        browser.click(CARD % "w-1" + f" button[data-action={action}]")

    def becomes(state):
        browser.until(STATE + " === arguments[1]", CARD % "w-1", state)

    press("pause")
    becomes("paused")
    press("resume")
    becomes("running")
    keeps_moving(browser, "w-1")
    press("stop")
    becomes("stopped")
    press("restart")
    becomes("running")
    keeps_moving(browser, "w-1")


def what_is_typed_into_the_terminal_reaches_the_guest(server, browser):
    browser.click(CARD % "w-3" + " .xterm-screen")
    browser.type(CARD % "w-3" + " .xterm-helper-textarea", "hello there\n")
    browser.until("return (() => {" + SHOWN + "})().includes('poweroff, reboot, fault, panic or spin')", "w-3")


def the_page_tells_that_the_server_has_ended(server, browser):
    assert server.ends() == 0
    browser.until("return document.getElementById('trouble').textContent === 'the server does not answer'")


def main():
    Server.program, Server.guest = map(os.path.abspath, sys.argv[1:3])
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("there is no /dev/kvm")
        return 77
    missing = webdriver.missing()
    if missing:
        print(f"there is no {missing} (scripts/install-deps --test installs it)")
        return 77
    with Server(3, more="backoff-ms = 1500") as server, webdriver.Browser(SLOW) as browser:
        for test in (a_visitor_without_the_token_sees_no_guests, the_token_behind_the_address_opens_the_page,
                     a_guest_crashes_and_comes_back_while_the_others_go_on, the_buttons_do_their_work,
                     what_is_typed_into_the_terminal_reaches_the_guest):
            try:
                test(server, browser)
                said = browser.messages()
                assert not said, said
                print(f"ok   {test.__name__}", flush=True)
            except AssertionError:
                traceback.print_exc(file=sys.stdout)
                print(f"FAIL {test.__name__}")
                return 1
        the_page_tells_that_the_server_has_ended(server, browser)
        print("ok   the_page_tells_that_the_server_has_ended")
    return 0


sys.exit(main())
