"""Everything over HTTP: the JSON API, the pages, metrics and health."""
