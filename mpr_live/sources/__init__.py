"""Where packets come from: files, servers that are pulled, publishers that are listened for."""
