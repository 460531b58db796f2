"""Invitations: an administrator elsewhere opens a link, presses "allow", and the account joins a folder of accounts."""
