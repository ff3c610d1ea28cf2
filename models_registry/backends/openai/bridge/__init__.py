"""The bridge to Responses: the translation for OpenAI's models that have no chat."""
