"""The dialects that clients speak. A front reads requests into turns, and writes an answer's events in its
own form. Fronts and backends know nothing of each other: the core (`models_registry/turns`) stands
between."""
