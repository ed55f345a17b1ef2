"""A service without a line about OpenTelemetry or this project.

usage: opentelemetry-instrument flask --app service.py run
"""

from flask import Flask

app = Flask(__name__)


@app.get("/ready")
def ready():
    return "yes"


@app.get("/orders/<int:order>")
def show(order):
    return {"order": order}


@app.get("/boom")
def boom():
    raise ValueError("out of stock")
