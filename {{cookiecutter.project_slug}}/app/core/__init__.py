"""What every domain needs and no domain owns. Nothing here imports a domain."""
