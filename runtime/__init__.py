"""How the endpoints are served: Litestar, granian, sockets, SQL, clocks. Only this package does IO."""
