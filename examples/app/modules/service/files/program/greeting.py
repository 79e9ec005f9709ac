"""Greets whoever asks, in the words of the settings."""
import pathlib
import tomllib

SETTINGS = tomllib.loads(pathlib.Path("/etc/app/config.toml").read_text())
WORDS = tomllib.loads((pathlib.Path(__file__).parent / "words" / "en.toml").read_text())


def app(_request, start):
    start("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{WORDS['hello']}, {SETTINGS['greeting']['whom']}\n".encode()]
