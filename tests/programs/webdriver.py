# SPDX-License-Identifier: MIT
"""webdriver.py - a headless Chromium, spoken to by the WebDriver protocol (W3C) and nothing but Python's own library."""
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# Without most of these it asks hosts on the internet for things while the test runs.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1100"]


def missing():
    """What is not installed: a name for the one who is to install it, or None."""
    for program in "chromium", "chromedriver":
        if not shutil.which(program):
            return program
    return None


class Browser:
    def __init__(self, patience):
        self.patience = patience
        self.folder = tempfile.mkdtemp(prefix="farm-chromium.")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.session = None
        try:
            for line in self.driver.stdout:
                port = re.search(rb"successfully on port (\d+)", line)
                if port:
                    break
            else:
                raise AssertionError("chromedriver does not start")
            self.base = f"http://127.0.0.1:{port[1].decode()}"
            options = {"binary": shutil.which("chromium"), "args": FLAGS + ["--user-data-dir=" + self.folder]}
            got = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = got["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self.call("DELETE", f"/session/{self.session}")
        finally:
            self.driver.terminate()
            self.driver.wait()
            shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, path, body=None):
        data = None if body is None and method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60 * self.patience) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(json.load(e)["value"]["message"].split("\n")[0]) from None

    def at(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self.at("POST", "/url", {"url": url})

    def run(self, script, *args):
        """The value that JavaScript returns."""
        return self.at("POST", "/execute/sync", {"script": script, "args": list(args)})

    def until(self, script, *args, seconds=20):
        end = time.monotonic() + seconds * self.patience
        while time.monotonic() < end:
            value = self.run(script, *args)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"it did not come true: {script} {args}; {self.messages()}")

    def element(self, css):
        return next(iter(self.at("POST", "/element", {"using": "css selector", "value": css}).values()))

    def click(self, css):
        self.at("POST", f"/element/{self.element(css)}/click", {})

    def type(self, css, text):
        self.at("POST", f"/element/{self.element(css)}/value", {"text": text})

    def messages(self):
        """What the page's script and the browser complained about since the last time."""
        return [m["message"] for m in self.at("POST", "/se/log", {"type": "browser"}) if m["level"] == "SEVERE"]

    def screenshot(self, path):
        import base64
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.at("GET", "/screenshot")))
