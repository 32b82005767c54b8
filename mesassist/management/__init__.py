"""Management: commands that speak for the whole house."""
