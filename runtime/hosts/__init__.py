"""The machines that serve local models: their state, their models, what is kept loaded."""
