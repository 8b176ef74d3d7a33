"""A real SMTP server that does what a test has written down. It ends with its standard input.

Every mail that it takes becomes a file in <folder>/mail, every try a line in <folder>/log. The file <folder>/rules/<address> says how
it answers, try after try: a code (refused at DATA), `rcpt:` and a code (refused at RCPT), `late` (takes the mail once the file is gone) or
`hold` (takes it, and answers once the file is gone). After the last one, and without a file, it takes the mail.
"""

import argparse
import asyncio
import os
import ssl
import sys
import uuid

from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("--folder", required=True)
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--tls", choices=["none", "starttls", "required"], default="none")
arguments.add_argument("--certificate")
arguments.add_argument("--key")
arguments.add_argument("--login", help="name:password")
options = arguments.parse_args()
tries = {}


def place(*names):
    return os.path.join(options.folder, *names)


def log(line):
    with open(place("log"), "a", encoding="utf-8") as file:
        file.write(line + "\n")


def rule_of(address):
    try:
        with open(place("rules", address), encoding="utf-8") as file:
            words = file.read().split()
    except FileNotFoundError:
        return "250"
    number = tries.get(address, 0)
    return words[number] if number < len(words) else "250"


def keep(content):
    name = place("mail", uuid.uuid4().hex)
    with open(name + ".tmp", "wb") as file:
        file.write(content)
    os.rename(name + ".tmp", name + ".eml")


async def until_released(address):
    while os.path.exists(place("rules", address)):
        await asyncio.sleep(0.01)


class Handler:
    def note(self, session, address, answer):
        tries[address] = tries.get(address, 0) + 1
        login = bool(getattr(session, "authenticated", False))
        log(f"{address} {answer} tls={session.ssl is not None or options.tls == 'required'} login={login}")

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        rule = rule_of(address)
        if rule.startswith("rcpt:"):
            self.note(session, address, rule)
            # Servers like to repeat the address, and a hostile one writes what it wants.
            return f"{rule[5:]} 5.1.1 <{address}>: nobody here \x1b[31mred"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        rule = rule_of(address)
        self.note(session, address, rule)
        if rule == "late":
            await until_released(address)
        if rule in ("250", "late", "hold"):
            keep(envelope.original_content)
        if rule == "hold":
            await until_released(address)
        if rule in ("250", "late", "hold"):
            return "250 taken"
        return f"{rule} the mail to <{address}> was not taken"


def authenticate(server, session, envelope, mechanism, data):
    wanted = options.login.encode().split(b":", 1)
    # Not handled: the answer is left to the server.
    return AuthResult(success=[data.login, data.password] == wanted, handled=False)


def connection():
    context = certificate() if options.tls == "starttls" else None
    return SMTP(
        Handler(),
        hostname="localhost",
        tls_context=context,
        require_starttls=options.tls == "starttls",
        authenticator=authenticate if options.login else None,
        auth_required=bool(options.login),
        auth_require_tls=options.tls == "starttls",
    )


def certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    return context


async def main():
    for name in ("mail", "rules"):
        os.makedirs(place(name), exist_ok=True)
    context = certificate() if options.tls == "required" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", options.port, ssl=context, reuse_address=True)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
