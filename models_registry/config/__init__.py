"""The config file: what it may say, what a name in it stands for, and how an entry becomes a target."""
