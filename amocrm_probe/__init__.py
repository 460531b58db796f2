"""`source-amocrm probe`: what one account answers to the open questions of amoCRM's API, asked by reading alone."""
