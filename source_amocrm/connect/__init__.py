"""`source-amocrm connect`: from an account's address to a config.json that works, by a page or at the terminal."""
