"""One module per command: its options, then what it does, as imports that wait until it runs."""
