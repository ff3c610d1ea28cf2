"""The processes of a running gateway: the parent, its workers, the bookkeeper."""
