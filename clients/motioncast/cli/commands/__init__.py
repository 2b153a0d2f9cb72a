"""One module per command: its options, then its work, with imports deferred until it runs."""
