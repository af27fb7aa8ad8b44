"""What the test against Debian's scepserver plays in a network namespace of its own, since that server binds every interface.

The server's CA and challenge password are made anew; prints what `hil enroll` said and did, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import typer
from typer.testing import CliRunner

from hil.cli.enroll import enroll

PASSWORD, PORT = "only-for-this-test", "2016"


def serve(folder: Path) -> subprocess.Popen[str]:
    """The server, once it says that it listens; what it says later is read so that it never blocks."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["scepserver", "ca", "-init", "-organization", "Lab"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command = ["scepserver", "-depot", "depot", "-port", PORT, f"-challenge={PASSWORD}", "-allowrenew", "0"]
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        if "listening" in line:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server
    raise AssertionError(f"scepserver ended with {server.wait()}")


def run(*arguments: str) -> dict[str, object]:
    app = typer.Typer()
    app.command()(enroll)
    url = f"http://127.0.0.1:{PORT}/scep"
    done = CliRunner().invoke(app, [url, "--json", *arguments], env={"RIGHT": PASSWORD, "WRONG": "guessed"})
    return {"exit_code": done.exit_code, "said": json.loads(done.stdout)}


def main(folder: Path) -> None:
    server = serve(folder)
    try:
        results = {}
        for cipher in ("des", "3des", "aes128", "aes256"):
            subject = ("--cn", cipher, "--dn", "/C=US/O=Lab")
            results[cipher] = run(*subject, "--challenge-env", "RIGHT", "--cipher", cipher, "--out", str(folder / cipher))
        results["wrong password"] = run("--cn", "wrong", "--challenge-env", "WRONG", "--out", str(folder / "wrong"))
    finally:
        server.terminate()
        server.wait(10)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
