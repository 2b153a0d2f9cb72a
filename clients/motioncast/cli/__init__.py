"""The command line, `motioncast`: serve, stream, demo, bench, export, train, evaluate, paper."""
