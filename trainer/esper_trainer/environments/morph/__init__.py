"""The morphogenesis environment: host networks that are trained while seeds grow in them."""
