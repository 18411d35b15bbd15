"""How the functions run: settings, observability, wiring of adapters, errors on the wire."""
