"""The languages that drivers are written to in, and their catalogues (one .po file each)."""
