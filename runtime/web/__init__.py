"""HTTP: the door of an endpoint, the application, the OpenAPI document and its page."""
