"""The neutral core between fronts and backends: what a call asks, and the events that an answer is made of.

A question is a `ChatRequest`: its messages are the turns of all dialects (see docs/decisions/0018). An answer
is a sequence of events (`events.py`), whole or streamed.
"""
