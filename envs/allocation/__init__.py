"""Payment-free allocation of resources."""
