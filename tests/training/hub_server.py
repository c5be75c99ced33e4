"""A stand-in of the hub on this machine: its paths, for repositories that are folders with one commit each."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


class Hub(BaseHTTPRequestHandler):
    root: Path
    requests: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        self.requests.append(self.requestline)

    def answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        words = self.path.partition("?")[0].strip("/").split("/")
        is_api = words[:2] == ["api", "models"]
        repository = self.root / "/".join(words[2:4] if is_api else words[:2])
        if not repository.is_dir():
            self.refuse("RepoNotFound")
            return
        files = {path.name: path.read_bytes() for path in sorted(repository.iterdir())}
        commit = hashlib.sha1(repr(files).encode()).hexdigest()
        if not is_api:  # owner/name/resolve/revision/file
            body = files[words[4]]
            self.answer(body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=commit)
        elif len(words) > 5 and words[5] not in ("main", commit):
            self.refuse("RevisionNotFound")
        elif "tree" in words:
            tree = [{"type": "file", "path": name, "size": len(body), "oid": ""} for name, body in files.items()]
            self.answer(json.dumps(tree).encode())
        else:
            siblings = [{"rfilename": name} for name in files]
            self.answer(json.dumps({"id": repository.name, "sha": commit, "siblings": siblings}).encode())

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        words = self.path.partition("?")[0].strip("/").split("/")
        if words[-1] == "create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            (self.root / name).mkdir(parents=True, exist_ok=True)
            self.answer(json.dumps({"url": f"{self.server_url}/{name}", "id": name}).encode())
        elif "preupload" in words:
            asked = [{"path": file["path"]} for file in json.loads(body)["files"]]
            files = [{**file, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for file in asked]
            self.answer(json.dumps({"files": files}).encode())
        elif "commit" in words:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    path = self.root / "/".join(words[2:4]) / line["value"]["path"]
                    path.write_bytes(base64.b64decode(line["value"]["content"]))
            address = f"{self.server_url}/{'/'.join(words[2:4])}/commit/0"
            self.answer(json.dumps({"commitUrl": address, "commitOid": "0"}).encode())
        else:
            self.answer(b"{}")

    @property
    def server_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub whose repositories are the folders `root/owner/name`, and what it was asked."""
    handler: Any = type("Served", (Hub,), {"root": root, "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.requests
    finally:
        server.shutdown()
        server.server_close()
