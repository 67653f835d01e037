"""From bytes to checked documents; nothing here asks the database."""
