"""Message conversions, as pure functions: protobuf <-> numpy, errors <-> `google.rpc` details."""
