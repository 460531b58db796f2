"""The dbt package `amocrm`, which makes answers of the tables, and what builds and describes it."""
