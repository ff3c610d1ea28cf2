"""The config file, from its text to deployments: what it may say, and what a name in it stands for."""
