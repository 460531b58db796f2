"""`source-amocrm publish`: finished tables, written into another warehouse or into a lake of Parquet files."""
