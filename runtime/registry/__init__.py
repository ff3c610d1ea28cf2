"""The models in force, and how they change while calls go on: the config file, and what is stored."""
