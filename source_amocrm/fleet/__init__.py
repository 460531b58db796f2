"""Many accounts at once: `source-amocrm fleet`."""
