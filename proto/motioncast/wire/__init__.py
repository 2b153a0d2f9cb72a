"""What travels, as pure functions: protobuf <-> numpy, and errors <-> `google.rpc` details."""
