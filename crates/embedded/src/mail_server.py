"""A mail server on a free port of the loopback interface; keeps letters in a maildir. See mail.rs."""

import asyncio
import os
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

folder, certificate, key, user = sys.argv[1:5]
password = os.environ.get("MAIL_PASSWORD", "")


def authenticate(server, session, envelope, mechanism, data):
    fits = data.login.decode() == user and data.password.decode() == password
    # What is not handled here the server answers itself: with 535.
    return AuthResult(success=fits, handled=fits)


def protocol():
    options = {"enable_SMTPUTF8": True}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        options |= {"tls_context": context, "require_starttls": True}
    if user:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": bool(certificate)}
    return SMTP(Mailbox(os.path.join(folder, "letters")), **options)


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with open(os.path.join(folder, "port.new"), "w") as file:
        file.write(str(port))
    # Renamed when it is whole: the port is told at once or not at all.
    os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    await server.serve_forever()


asyncio.run(main())
