"""People with accounts, who do what their mail and their authenticator app let them do."""

import base64
import hmac
import itertools
import os
import pathlib
import re
import struct
import time

import requests

PUBLIC = os.environ["LATCHKEY_PUBLIC"]
STATE = pathlib.Path(os.environ["LATCHKEY_STATE"])
PASSWORD = "tangled orbit 84 lantern"
NUMBERS = itertools.count()


def call(method, path, token=None, expected=None, **body):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.request(method, PUBLIC + path, json=body, headers=headers, timeout=30)
    if answer.status_code != expected:
        answer.raise_for_status()
    return answer.json()


def new_address():
    return f"person{next(NUMBERS)}@example.com"


def sign_up():
    """An address, and the challenge that its code opens."""
    email = new_address()
    return email, call("POST", "/auth/v1/accounts", email=email, password=PASSWORD)["challenge_id"]


def code_for(email, mails=1):
    """The six digits of the newest mail to that address, once there are so many."""
    for _ in range(400):
        found = [mail.read_text() for mail in sorted((STATE / "mail").glob("*.eml"), key=lambda mail: mail.stat().st_mtime_ns)]
        found = [mail for mail in found if f"To: {email}\n" in mail or f"To: <{email}>\n" in mail]
        if len(found) >= mails:
            return re.search(r"(?<![0-9A-Za-z])[0-9]{6}(?![0-9A-Za-z])", found[-1].split("\n\n", 1)[1]).group()
        time.sleep(0.05)
    raise RuntimeError(f"no mail to {email}")


class Person:
    """Somebody with an account."""

    def __init__(self):
        self.email, challenge = sign_up()
        call("POST", f"/auth/v1/challenges/{challenge}/verify", code=code_for(self.email))
        self.mails = 1

    def log_in(self):
        return Session(self, call("POST", "/auth/v1/sessions", email=self.email, password=PASSWORD))

    def log_in_with_app(self):
        """The challenge that waits for the app's code."""
        return call("POST", "/auth/v1/sessions", expected=401, email=self.email, password=PASSWORD)["challenge_id"]

    def challenge(self, token=None, **body):
        """One by mail, with its code."""
        challenge = call("POST", "/auth/v1/challenges", token, **body)["challenge_id"]
        self.mails += 1
        return challenge, code_for(self.email, self.mails)


class Session:
    """One of them, logged in."""

    def __init__(self, person, tokens):
        self.person, self.access, self.refresh = person, tokens["access_token"], tokens["refresh_token"]

    def challenge(self):
        return self.person.challenge(self.access, purpose="step_up")

    def step_up(self):
        challenge, code = self.challenge()
        self.access = call("POST", f"/auth/v1/challenges/{challenge}/verify", self.access, code=code)["access_token"]

    def enrol(self, and_confirm=True):
        self.secret = base64.b32decode(call("POST", "/auth/v1/account/totp", self.access)["secret"])
        if and_confirm:
            call("POST", "/auth/v1/account/totp/confirm", self.access, code=self.app_code())

    def app_code(self, later=0):
        """RFC 6238, of the current step or of a later one."""
        step = int(os.environ.get("LATCHKEY_TIME") or time.time()) // 30 + later
        mac = hmac.digest(self.secret, struct.pack(">Q", step), "sha1")
        start = mac[-1] & 15
        number = struct.unpack(">I", mac[start : start + 4])[0] & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"
