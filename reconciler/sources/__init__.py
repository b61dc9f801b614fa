"""Where spec bytes come from."""
