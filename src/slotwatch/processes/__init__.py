"""The processes a person starts: up, serve, work; how their parts are kept alive, logged and stopped."""
