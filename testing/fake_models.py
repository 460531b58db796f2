"""What stands for `python -m amocrm_warehouse.models_command`: it writes what it is asked into the file FAKE_MODELS."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    Path(os.environ["FAKE_MODELS"]).write_text(f"{os.environ['DB']} {' '.join(sys.argv[1:])}\n", encoding="utf-8")
