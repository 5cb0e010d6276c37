"""An S3 on this machine's loopback, with faults to order; needs moto."""

from __future__ import annotations

import contextlib
import logging
import threading

import pytest

BUCKET = "the-bucket"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "a-secret-to-keep",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # no look beyond loopback for credentials
}


class S3:
    """moto's S3, and a list of what is to go wrong with the next requests."""

    def __init__(self, application):
        self.application = application
        self.faults = []
        self.asked = []
        self.lock = threading.Lock()
        self.url = ""

    def __call__(self, environ, respond):
        method = environ["REQUEST_METHOD"]
        with self.lock:
            self.asked.append((method, environ["PATH_INFO"]))
            wanted = next((f for f in self.faults if f[0] in {method, "*"}), None)
            if wanted is not None:
                self.faults.remove(wanted)
        if wanted is None:
            return self.application(environ, respond)
        _, what = wanted
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if what == "cut":  # a body that ends before the length that was told
            return self._cut(environ, respond)
        status, code = what
        body = b"" if method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        respond(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def _cut(self, environ, respond):
        told = []
        body = b"".join(self.application(environ, lambda *args: told.append(args)))
        status, headers = told[0][:2]
        respond(
            status,
            [
                *((k, v) for k, v in headers if k.lower() != "content-length"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body[: len(body) // 2]]

    def keys(self):
        """Return what is in the bucket by key."""
        return dict(backend().buckets[BUCKET].keys)


def backend():
    """Return where moto keeps what it was sent."""
    from moto.backends import get_backend
    from moto.core import DEFAULT_ACCOUNT_ID

    return get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]


@contextlib.contextmanager
def serve():
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'gitml[s3]'")
    server = pytest.importorskip("moto.server", reason="moto is not installed: gitml[dev]")
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = S3(server.DomainDispatcherApplication(server.create_backend_app))
    made = make_server("127.0.0.1", 0, application, threaded=True)
    application.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield application
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def fresh(s3):
    """Empty it, and make the bucket anew."""
    backend().reset()
    s3.faults.clear()

    backend().create_bucket(BUCKET, "us-east-1")
    s3.asked.clear()
