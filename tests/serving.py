"""Servers of DVC remotes on the loopback: ``python serving.py ssh|s3 FOLDER PORT``.

They are real servers of their protocols, with as much space as the file ``space`` in the folder
says, in bytes.
"""

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


class Space:
    """Counts the bytes that are written."""

    def __init__(self, folder: Path):
        self.file, self.taken = folder / "space", 0

    def take(self, size: int) -> None:
        self.taken += size
        if self.taken > int(self.file.read_text()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ssh(folder: Path, port: int, space: Space) -> None:
    """Serve ``files`` in a folder by SFTP, to who has the key of which ``key.pub`` is a half."""
    import asyncssh

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel):
            super().__init__(channel, chroot=os.fsencode(folder / "files"))

        def write(self, file, offset, data):
            space.take(len(data))
            return super().write(file, offset, data)

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(folder / "key.pub"),
            sftp_factory=Files,
        )
        await server.wait_closed()

    asyncio.run(serve())


def s3(folder: Path, port: int, space: Space) -> None:
    """Serve buckets, which are gone when the server ends."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    served = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict, start_response: Callable) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT":
            try:
                space.take(int(environ.get("CONTENT_LENGTH") or 0))
            except OSError:
                start_response("507 Insufficient Storage", [("Content-Type", "application/xml")])
                return [
                    b"<Error><Code>QuotaExceeded</Code><Message>No space left</Message></Error>"
                ]
        return served(environ, start_response)

    run_simple("127.0.0.1", port, app, threaded=True)


if __name__ == "__main__":
    kind, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    {"ssh": ssh, "s3": s3}[kind](folder, port, Space(folder))
