"""Stands in for `python -m amocrm_warehouse.models_command`: appends its database and arguments to FAKE_MODELS."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    with Path(os.environ["FAKE_MODELS"]).open("a", encoding="utf-8") as file:
        file.write(f"{os.environ['DB']} {' '.join(sys.argv[1:])}\n")
