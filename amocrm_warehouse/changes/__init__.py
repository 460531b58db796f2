"""What was changed in many cards at once, and the files by which a person puts it back."""
