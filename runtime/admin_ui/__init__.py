"""The admin UI as it is built and served: its files, its page, and the build. Its source is `runtime/ui`."""
