from setuptools import find_packages, setup

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
        "amocrm_fleet": ["dagster.yaml", "templates/*.html"],
    },
    install_requires=[
        "airbyte-cdk>=7.39,<8",
        "jinja2>=3.1,<4",
        "requests>=2.32,<3",
        "orjson>=3.10,<4",
    ],
    entry_points={"console_scripts": ["source-amocrm=source_amocrm.run:run"]},
)
