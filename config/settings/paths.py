"""Where the project and its local data lie."""

from pathlib import Path

from config import env

BASE_DIR = Path(__file__).resolve().parents[2]
LOCAL_DIR = (BASE_DIR / env.text("LOCAL_DIR", ".local")).resolve()
