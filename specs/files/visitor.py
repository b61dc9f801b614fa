"""Reads the greeting once a second, wherever web happens to be."""

import os
import time
import urllib.request

while True:
    with urllib.request.urlopen(f"{os.environ['WEB_URL']}/hello.txt", timeout=5) as answer:
        print(answer.read().decode().strip(), flush=True)
    time.sleep(1)
