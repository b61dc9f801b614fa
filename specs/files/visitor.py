"""Reads the greeting once a second, wherever web happens to be, and bears with it when it is away."""

import os
import time
import urllib.request

while True:
    try:
        with urllib.request.urlopen(f"{os.environ['WEB_URL']}/hello.txt", timeout=5) as answer:
            print(answer.read().decode().strip(), flush=True)
    except OSError as error:
        print(f"web does not answer: {error}", flush=True)
    time.sleep(1)
