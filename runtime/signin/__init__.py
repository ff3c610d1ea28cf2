"""How people sign in: providers, sessions, passwords, invitations, and what failed too often."""
