"""`source-amocrm dashboards`: six dashboards of the marts, as a file that Apache Superset imports."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from amocrm_warehouse.dashboards.superset_bundle import Bundle
from amocrm_warehouse.database_address import add_database
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code
from amocrm_warehouse.report.report_words import LANGUAGES
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser

FOLDER = "amocrm-superset"
FIRST_YEAR = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive, so that equal dashboards are equal archives."""


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm dashboards", description=__doc__)
    add_database(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(f"{FOLDER}.zip"), help=f"the archive, or a folder for git; {FOLDER}.zip"
    )
    parser.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0], help="of titles and descriptions")
    parser.add_argument("--marts", metavar="SCHEMA", default="amocrm_marts", help="amocrm_marts by default")
    options = parser.parse_args(arguments)
    end_by_ctrl_c()
    try:
        files = Bundle(options.db, options.language, options.marts).files()
        write(files, options.out)
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    print(
        f"{options.out}: {sum(1 for path in files if path.startswith('dashboards/'))} dashboards, without a password."
    )
    return 0


def write(files: dict[str, str], out: Path) -> None:
    """Writes the archive, or the files into a folder if the name does not end with .zip. Raises ValueError."""
    try:
        if out.suffix.lower() == ".zip":
            atomic_file.write(out, archive(files))
            return
        for path, text in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            atomic_file.write(out / path, text)
    except OSError as error:
        raise ValueError(
            f"The dashboards cannot be written to {out}: {error.strerror}. Name another file: --out."
        ) from None


def archive(files: dict[str, str]) -> bytes:
    output = BytesIO()
    with ZipFile(output, "w", ZIP_DEFLATED) as bundle:
        for path, text in files.items():
            bundle.writestr(ZipInfo(f"{FOLDER}/{path}", FIRST_YEAR), text, ZIP_DEFLATED)
    return output.getvalue()


if __name__ == "__main__":
    sys.exit(main())
