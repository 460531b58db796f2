"""What is known of one account, asked for once."""
