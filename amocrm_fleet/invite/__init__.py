"""Invitations: an administrator opens a link and presses "allow", and the account joins the folder of accounts."""
