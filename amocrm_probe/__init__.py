"""`source-amocrm probe`: asks one account the open questions about amoCRM's API, by requests that only read."""
