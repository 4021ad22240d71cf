"""Secrets Manager as moto reads it, on a free port of 127.0.0.1; prints its address, ends with its parent.

One thread: under several moto lets more than one of racing writers win.
"""

import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager import models
from werkzeug.serving import make_server


class ByName(dict):
    """Secrets by name. moto's own store also takes ARNs, and for that goes over all secrets several times a call: with
    the thousands that the tests make, callers run out of time. Nobody here asks by ARN."""


models.SecretsStore = ByName
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)


def end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
print(f"http://127.0.0.1:{server.port}", flush=True)
server.serve_forever()
