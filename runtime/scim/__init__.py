"""Users and teams as the company's directory keeps them, by SCIM 2.0."""
