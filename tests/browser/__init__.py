"""What pages do in a browser: `make test-browser`."""
