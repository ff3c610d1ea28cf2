"""How it is served: Litestar, granian, sockets, SQL, clocks. The only place with IO."""
