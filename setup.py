from setuptools import find_packages, setup

WAREHOUSE = [
    "dlt[duckdb,postgres,parquet]>=1.31,<1.32",
    "duckdb>=1.4.3,<1.5",
    "dbt-core>=1.11.16,<1.12",
    "dbt-duckdb>=1.11.1,<1.12",
    "dbt-postgres>=1.11,<1.12",
    "filelock>=3.20,<4",
    "python-calamine>=0.8,<1",
    "rich>=13,<16",
    "vl-convert-python>=1.9,<2",
    "xlsxwriter>=3.2,<4",
]
MCP = [*WAREHOUSE, "mcp>=2.3,<3"]
FLEET = [
    *WAREHOUSE,
    "dagster>=1.13,<1.14",
    "dagster-webserver>=1.13,<1.14",
    "waitress>=3,<4",
]

setup(
    name="source-amocrm",
    version="0.1.0",
    description="Airbyte source for amoCRM and Kommo",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["source_amocrm", "source_amocrm.*", "amocrm_*"]),
    package_data={
        "source_amocrm": ["py.typed", "spec.yaml", "schemas/*.json"],
        "source_amocrm.connect": ["words/*.json", "templates/*.html", "static/*"],
        "amocrm_warehouse": [
            "dbt/*.yml",
            "dbt/*.yaml",
            "dbt/macros/*.sql",
            "dbt/models/**/*.sql",
            "dbt/models/**/*.yml",
            "dbt/seeds/*.csv",
            "report/*.json",
            "report/*.js",
            "report/*.css",
            "report/*.html",
            "report/*.yaml",
        ],
        "amocrm_fleet": ["dagster.yaml", "templates/*.html"],
    },
    install_requires=[
        "airbyte-cdk~=7.39",
        "airbyte-protocol-models-dataclasses>=0.17,<1",
        "jinja2>=3.1,<4",
        "markupsafe>=3,<4",
        "orjson>=3.10,<4",
        "pendulum>=3.0,<4",
        "pyyaml>=6,<7",
        "requests>=2.32.2,<3",
        "urllib3>=2.7,<3",
    ],
    extras_require={"warehouse": WAREHOUSE, "fleet": FLEET, "mcp": MCP, "all": [*FLEET, *MCP]},
    entry_points={"console_scripts": ["source-amocrm=source_amocrm.run:run"]},
)
